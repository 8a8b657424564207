// Client program: one application with one pool library, as the set-up in its first argument says.

import { Application } from "./application.mjs";
import { emit, endWithStdin, readSetup } from "./protocol.mjs";

const LIBRARIES = {
  pg: "with_pg",
  "pg-pool": "with_pg",
  postgres: "with_postgres",
  knex: "with_knex",
  sequelize: "with_sequelize",
  typeorm: "with_typeorm",
};

const setup = readSetup();
const { Library } = await import(`./${LIBRARIES[setup.library]}.mjs`);
process.on("uncaughtException", (error) => {
  console.error(error);
  emit("error", { text: String(error).slice(0, 300) });
});
endWithStdin();
await new Application(setup, new Library(setup)).run();
