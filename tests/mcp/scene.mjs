// A private server with a planted leak.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const PROGRAM = process.env.ARCHON_POOL_PROGRAM
export const IMPATIENT = { idleTimeoutMs: 10_000, idleInTransactionTimeoutMs: 1_000, sampleMs: 0 }
export const PLANNING = { idleTimeoutMs: 10_000, idleInTransactionTimeoutMs: 1_000, minSize: 1 }

export class Scene {
  static async start() {
    const scene = new Scene()
    scene.child = spawn(process.env.ARCHON_LEAKING_SERVER, { stdio: ['pipe', 'pipe', 'inherit'] })
    scene.lines = createInterface({ input: scene.child.stdout })[Symbol.asyncIterator]()
    Object.assign(scene, JSON.parse((await scene.lines.next()).value))
    scene.home = await mkdtemp(join(tmpdir(), 'archon-mcp-'))
    scene.environment = { DATABASE_URL: scene.url, HOME: scene.home }
    return scene
  }

  async ask(command) {
    this.child.stdin.write(`${command}\n`)
    return (await this.lines.next()).value
  }

  async lives(pid) {
    return (await this.ask(`lives ${pid}`)) === 'true'
  }

  async close() {
    const ended = once(this.child, 'exit')
    this.child.stdin.end()
    await ended
    await rm(this.home, { recursive: true })
  }
}

// The texts that stand under keys which promise that they are not the server's.
export function trusted(value) {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(trusted)
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([name, inner]) => (name.startsWith('untrusted') ? [] : trusted(inner)))
}
