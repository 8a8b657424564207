"""Clients by Python's `mcp`, of both protocols, and a scripted model that finds a leak, plans and applies with consent."""

import asyncio
import json
import os
import socket
import subprocess
import tempfile

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent

PROGRAM = os.environ["ARCHON_POOL_PROGRAM"]
IMPATIENT = {"idleTimeoutMs": 10_000, "idleInTransactionTimeoutMs": 1_000, "sampleMs": 0}
PLANNING = {"idleTimeoutMs": 10_000, "idleInTransactionTimeoutMs": 1_000, "minSize": 1}
TRUSTED = ["--allow-apply", "--max-kill-percentage", "100"]
MOST_BYTES = 8 << 10
TOKEN = "0123456789abcdef"
MODES = ("legacy", "2026-07-28")


class Scene:
    """A private server with a planted leak."""

    def __init__(self) -> None:
        command = [os.environ["ARCHON_LEAKING_SERVER"]]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = json.loads(self.line())
        self.url, self.pid, self.application = told["url"], told["pid"], told["application"]
        self.home = tempfile.TemporaryDirectory()

    def line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the leaking server ended"
        return line.strip()

    def ask(self, command: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.line()

    def lives(self, pid: int) -> bool:
        return self.ask(f"lives {pid}") == "true"

    def server(self, *flags: str) -> StdioServerParameters:
        environment = {"DATABASE_URL": self.url, "HOME": self.home.name}
        return StdioServerParameters(command=PROGRAM, args=["mcp", *flags], env=environment)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.home.cleanup()


class Person:
    """Whoever sits before the client: types the number that a question names, or declines."""

    def __init__(self, consents: bool) -> None:
        self.consents, self.questions = consents, []

    async def answer(self, context: object, params: ElicitRequestParams) -> ElicitResult:
        self.questions.append(params.message)
        if not self.consents:
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content={"number": int(params.message.rsplit(" ", 1)[1])})


def texts_outside_of_untrusted(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in texts_outside_of_untrusted(item)]
    if isinstance(value, dict):
        trusted = (item for name, item in value.items() if not name.startswith("untrusted"))
        return [text for item in trusted for text in texts_outside_of_untrusted(item)]
    return []


def facts(result: CallToolResult) -> dict:
    """The structured content, which the library has checked against the tool's schema."""
    content = result.structured_content
    assert isinstance(content, dict), result
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    assert len(written.encode()) <= MOST_BYTES, len(written)
    for text in texts_outside_of_untrusted(content):
        assert "ignore previous" not in text and "SYSTEM" not in text and "<" not in text, text
    block = result.content[0]
    assert isinstance(block, TextContent) and "4111" not in written + block.text
    return content


async def call(client: Client, tool: str, arguments: dict) -> dict:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return facts(result)


async def every_tool(scene: Scene, mode: str) -> None:
    async with Client(scene.server(), mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert len(tools) == 8 and "apply_plan" not in tools, list(tools)
        for tool in tools.values():
            assert tool.annotations and tool.annotations.read_only_hint, tool.name
            assert tool.input_schema["additionalProperties"] is False, tool.name
            assert len(json.dumps(tool.output_schema, separators=(",", ":"))) <= 1_500, tool.name
        for tool in ("monitor", "detect_leaks", "health_check", "full_analysis"):
            content = await call(client, tool, IMPATIENT)
            assert content["sessions"]["total"] >= 4, content
        await call(client, "explain_session", {**IMPATIENT, "id": str(scene.pid)})
        assert (await call(client, "list_credentials", {}))["names"] == ["environment"]
        await call(client, "plan_kill_idle", PLANNING)
        await call(client, "plan_auto_scale", {"sampleMs": 0})
        refused = await client.call_tool("monitor", {"readonly": True})
        assert refused.is_error, refused
        resources = (await client.list_resources()).resources
        assert any(str(resource.uri) == "archon://findings" for resource in resources)
        report = (await client.read_resource("archon://report/1")).contents[0]
        assert list(json.loads(report.text)) == ["untrustedReport"]
        assert len((await client.list_prompts()).prompts) == 3
        prompt = await client.get_prompt("review_plan", {"planId": "0123456789abcdef"})
        assert "untrusted" in prompt.messages[0].content.text
    assert scene.lives(scene.pid)


async def model(client: Client, scene: Scene) -> dict:
    """What a model would do: look, find the worst session, explain it, plan for it, and try to apply the plan."""
    analysis = await call(client, "full_analysis", IMPATIENT)
    for _ in range(30):
        if analysis["suspects"]:
            break
        await asyncio.sleep(0.5)
        analysis = await call(client, "detect_leaks", IMPATIENT)
    suspect = analysis["suspects"][0]
    assert suspect["untrustedApplication"] == scene.application, suspect
    explained = await call(client, "explain_session", {**IMPATIENT, "id": suspect["session"]})
    assert explained["suspected"] and explained["evidence"], explained
    plan = await call(client, "plan_kill_idle", PLANNING)
    assert suspect["pid"] in [target["pid"] for target in plan["targets"]], plan
    applied = await client.call_tool("apply_plan", {"planId": plan["planId"]})
    return facts(applied)


async def over_http(scene: Scene) -> None:
    """From 2026-07-28 on a person can be asked over HTTP, without a session of the client."""
    pid = int(scene.ask("leak"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    token = os.path.join(scene.home.name, "token")
    with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(TOKEN)
    parameters = scene.server(*TRUSTED, "--http", address, "--token-file", token)

    def http() -> Transport:
        client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"})
        return streamable_http_client(f"http://{address}/mcp", http_client=client)

    server = subprocess.Popen([parameters.command, *parameters.args], env=parameters.env, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr and f"http://{address}/mcp" in server.stderr.readline()
        person = Person(consents=True)
        async with Client(http(), mode="2026-07-28", elicitation_callback=person.answer) as client:
            applied = await model(client, scene)
        assert applied["status"] == "applied" and not scene.lives(pid), applied
        async with Client(http(), mode="legacy") as client:
            await call(client, "monitor", IMPATIENT)
    finally:
        server.terminate()
        server.wait()


async def model_loop(scene: Scene, mode: str) -> None:
    pid = int(scene.ask("leak"))
    async with Client(scene.server(*TRUSTED), mode=mode) as client:
        refused = await model(client, scene)
        assert refused["status"] == "not-approved", refused
        assert refused["command"] == f"archon-pool apply {refused['planId']}", refused
    assert scene.lives(pid), "a client without forms ends nobody"
    person = Person(consents=False)
    async with Client(scene.server(*TRUSTED), mode=mode, elicitation_callback=person.answer) as client:
        assert (await model(client, scene))["status"] == "not-approved"
    assert len(person.questions) == 1 and scene.lives(pid), "a refusal ends nobody"
    person = Person(consents=True)
    async with Client(scene.server(*TRUSTED), mode=mode, elicitation_callback=person.answer) as client:
        applied = await model(client, scene)
    assert applied["status"] == "applied" and applied["changed"] >= 1, applied
    assert len(person.questions) == 1 and not scene.lives(pid), applied


async def main() -> None:
    scene = Scene()
    try:
        for mode in MODES:
            await every_tool(scene, mode)
        for mode in MODES:
            await model_loop(scene, mode)
        await over_http(scene)
    finally:
        scene.close()
    print("mcp: Python's clients of both protocols list and call every tool; a model applies a plan with consent alone")


asyncio.run(main())
