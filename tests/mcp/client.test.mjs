// The TypeScript SDK, which checks each result against the tool's schema.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'

import { IMPATIENT, PLANNING, PROGRAM, Scene, trusted } from './scene.mjs'

let scene
before(async () => {
  scene = await Scene.start()
})
after(() => scene.close())

async function connected(flags, answer, use) {
  const capabilities = answer ? { elicitation: {} } : {}
  const client = new Client({ name: 'typescript-sdk', version: '1.0.0' }, { capabilities })
  if (answer) client.setRequestHandler(ElicitRequestSchema, async (request) => answer(request.params))
  const transport = new StdioClientTransport({ command: PROGRAM, args: ['mcp', ...flags], env: scene.environment })
  await client.connect(transport)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

function facts(result) {
  assert.ok(JSON.stringify(result.structuredContent).length <= 8 << 10)
  for (const text of trusted(result.structuredContent)) assert.ok(!/ignore previous|SYSTEM|</.test(text), text)
  return result.structuredContent
}

test('every tool is listed and called, and its result is of its schema', async () => {
  await connected([], undefined, async (client) => {
    const { tools } = await client.listTools()
    assert.equal(tools.length, 8)
    const calls = { explain_session: { ...IMPATIENT, id: String(scene.pid) }, list_credentials: {}, plan_kill_idle: PLANNING }
    calls.plan_auto_scale = { sampleMs: 0 }
    for (const { name } of tools) {
      const result = await client.callTool({ name, arguments: calls[name] ?? IMPATIENT })
      assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`)
      facts(result)
    }
    const refused = await client.callTool({ name: 'monitor', arguments: { readonly: true } })
    assert.ok(refused.isError)
    const { resources } = await client.listResources()
    assert.ok(resources.some(({ uri }) => uri === 'archon://report/1'))
    const { contents } = await client.readResource({ uri: 'archon://cassette/1' })
    assert.match(Buffer.from(contents[0].blob, 'base64').toString(), /^\{/)
    assert.equal((await client.listPrompts()).prompts.length, 3)
  })
})

test('a plan is applied with a typed number alone', async () => {
  const pid = Number(await scene.ask('leak'))
  const flags = ['--allow-apply', '--max-kill-percentage', '100']
  const apply = (answer) =>
    connected(flags, answer, async (client) => {
      const planned = facts(await client.callTool({ name: 'plan_kill_idle', arguments: PLANNING }))
      assert.ok(planned.targets.some((target) => target.pid === pid))
      return facts(await client.callTool({ name: 'apply_plan', arguments: { planId: planned.planId } }))
    })
  for (const answer of [undefined, () => ({ action: 'decline' }), () => ({ action: 'accept', content: { number: 999 } })]) {
    assert.equal((await apply(answer)).status, 'not-approved')
    assert.ok(await scene.lives(pid))
  }
  const types = ({ message }) => ({ action: 'accept', content: { number: Number(message.split(' ').at(-1)) } })
  const applied = await apply(types)
  assert.equal(applied.status, 'applied')
  assert.ok(!(await scene.lives(pid)))
})
