// The inspector in its CLI mode.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

import { PROGRAM, Scene } from './scene.mjs'

let scene
before(async () => {
  scene = await Scene.start()
})
after(() => scene.close())

async function inspect(...flags) {
  const environment = Object.entries(scene.environment).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  const command = ['--cli', ...environment, PROGRAM, 'mcp', ...flags]
  const { stdout, stderr } = await promisify(execFile)('mcp-inspector', command, { maxBuffer: 1 << 24 })
  return { ...JSON.parse(stdout), stderr }
}

test('lists the tools, whose schemas any client can read, and calls one', async () => {
  const { tools, stderr } = await inspect('--allow-apply', '--method', 'tools/list', '--strict')
  assert.equal(tools.length, 9)
  assert.doesNotMatch(stderr, /Warning|Error/)
  const options = ['--tool-arg', 'sampleMs=0', '--tool-arg', 'idleInTransactionTimeoutMs=1000']
  const result = await inspect('--method', 'tools/call', '--tool-name', 'detect_leaks', ...options)
  assert.ok(result.structuredContent.sessions.total >= 4, JSON.stringify(result))
  assert.ok(!result.isError)
})

test('lists resources and prompts', async () => {
  const { resources } = await inspect('--method', 'resources/list')
  assert.equal(resources[0].uri, 'archon://findings')
  assert.equal((await inspect('--method', 'prompts/list')).prompts.length, 3)
})
