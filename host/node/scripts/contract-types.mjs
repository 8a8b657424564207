// TypeScript's view of the contract: one interface for every record in the JSON Schemas of `describe`.

/** What records are called in TypeScript, where the schema's name is too general. */
const NAMES = { RawOptions: "Options", Fault: "FaultRecord", Target: "ActionTarget", Action: "ActionRecord" };

/** The text of `src/contract.ts` for a description. */
export function contractTypes({ actions, input, output }) {
  const parts = [
    "// Written by scripts/contract-types.mjs from the JSON Schemas of `describe`: do not edit. A test fails when",
    "// it is not current; `BLESS=1 npm run build` writes it again.",
    "",
    "/** What can be asked for. */",
    `export type ActionName = ${actions.map((name) => JSON.stringify(name)).join(" | ")};`,
  ];
  const known = new Set();
  for (const [title, schema] of [
    ["SkillInput", input],
    ["SkillOutput", output],
  ]) {
    for (const [name, record] of [[title, schema], ...Object.entries(schema.$defs ?? {})]) {
      if (known.has(name)) continue;
      known.add(name);
      parts.push("", ...interfaceOf(NAMES[name] ?? name, record));
    }
  }
  return `${parts.join("\n")}\n`;
}

function interfaceOf(name, { description, properties, required = [] }) {
  const lines = [...comment(description, ""), `export interface ${name} {`];
  for (const [field, schema] of Object.entries(properties)) {
    const isAction = name === "SkillInput" && field === "action";
    const type = isAction ? "ActionName | null" : typeOf(schema);
    lines.push(...comment(schema.description, "  "), `  ${field}${required.includes(field) ? "" : "?"}: ${type};`);
  }
  return [...lines, "}"];
}

function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref.replace("#/$defs/", "");
    return NAMES[name] ?? name;
  }
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [schema.type ?? "unknown"].flat();
  return types.map((type) => plainType(type, schema)).join(" | ");
}

function plainType(type, schema) {
  switch (type) {
    case "integer":
    case "number":
      return "number";
    case "array": {
      const item = typeOf(schema.items ?? {});
      return item.includes(" ") ? `(${item})[]` : `${item}[]`;
    }
    case "object":
      return "Record<string, unknown>";
    default:
      return type;
  }
}

function comment(text, indent) {
  if (!text) return [];
  const lines = text.split("\n");
  if (lines.length === 1) return [`${indent}/** ${text} */`];
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}
