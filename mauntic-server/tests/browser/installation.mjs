// An installation of its own: the program that was built, with data in a folder that goes away.
import { spawn, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const program = process.env.MAUNTIC ?? "mauntic";

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Installation {
  /**
   * Serves; with `demo`, after the whole job was done on so many people who are made up; `idle`, without doing what nobody
   * waits for. `settings` makes variables of the environment from the address.
   */
  static async start({ demo, idle, settings } = {}) {
    const folder = await mkdtemp(join(tmpdir(), "mauntic-browser-"));
    const base = `http://127.0.0.1:${await freePort()}`;
    const installation = new Installation(folder, base, await settings?.(base));
    const parts = demo ? ["demo", "--contacts", `${demo}`] : ["serve", ...(idle ? ["--no-workers"] : [])];
    await installation.serve(parts, demo ? /with the password\s+\S+/ : /^/);
    return installation;
  }

  constructor(folder, base, settings = {}) {
    this.folder = folder;
    this.base = base;
    this.settings = settings;
    this.log = "";
    this.read = new Set();
  }

  environment() {
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("MAUNTIC_") && name !== "DATABASE_URL");
    return { ...Object.fromEntries(clean), MAUNTIC_DATA: join(this.folder, "data"), MAUNTIC_LISTEN: this.base.slice(7), ...this.settings };
  }

  /** Starts the program and waits until it answers and has said what is waited for. */
  async serve(parts, said) {
    this.process = spawn(program, parts, { env: this.environment(), cwd: this.folder });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (text) => { this.log += text; });
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`mauntic ${parts[0]} ended:\n${this.log}`);
      const answer = said.test(this.log) && (await fetch(`${this.base}/readyz`).catch(() => null));
      if (answer?.ok) return;
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Does from now on what nobody waits for. */
  work() {
    this.worker = spawn(program, ["work"], { env: this.environment(), cwd: this.folder, stdio: "ignore" });
  }

  /** Who the demo says can log in. */
  demoOwner() {
    const [, email, password] = /Log in at \S+ as\s+(\S+)\s+with the password\s+(\S+)/.exec(this.log);
    return { email, password };
  }

  /** Runs a command on the same data and returns what it prints. */
  async command(...parts) {
    const { stdout } = await promisify(execFile)(program, parts, { env: this.environment(), cwd: this.folder });
    return stdout;
  }

  /** The link in a mail that the installation wrote to a user, and that was not read before. */
  async linkMailedTo(address) {
    for (;;) {
      const list = await this.command("--json", "inbox", "--installation", "list", "--to", address);
      const mail = JSON.parse(list).mails.find(({ id }) => !this.read.has(id));
      if (mail) {
        this.read.add(mail.id);
        const text = await this.command("inbox", "--installation", "show", mail.id, "--text");
        return /https?:\/\/\S+/.exec(text)[0];
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  async stop() {
    for (const process of [this.worker, this.process].filter(Boolean)) {
      process.kill("SIGTERM");
      if (process.exitCode === null) await new Promise((done) => process.once("exit", done));
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
