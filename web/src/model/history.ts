/** What was done to the mesh and can be undone, and what was undone and can be done again. Bounded. */
export interface Edit {
  /** What was done, as a sentence without a full stop: "hs3 removed". */
  readonly text: string;
  undo(): Promise<unknown>;
  redo(): Promise<unknown>;
  /** Edits of the same series that follow each other closely, such as steps with the arrow keys, are one. */
  readonly series?: string;
}

const KEPT = 200; // edits; nobody goes back further one by one
const SERIES_MS = 1200; // between two edits of a series

export class History {
  #done: Edit[] = [];
  #undone: Edit[] = [];
  #lastMS = -Infinity;
  #busy: Promise<unknown> = Promise.resolve();

  get last(): Edit | undefined {
    return this.#done.at(-1);
  }

  get next(): Edit | undefined {
    return this.#undone.at(-1);
  }

  /** Remembers an edit that was made; nothing that was undone before can be done again. */
  add(edit: Edit, nowMS: number): void {
    const before = this.last;
    const continues = edit.series !== undefined && before?.series === edit.series && nowMS - this.#lastMS < SERIES_MS;
    if (continues) this.#done.pop();
    this.#done.push(continues && before ? { ...edit, undo: () => before.undo() } : edit);
    if (this.#done.length > KEPT) this.#done.shift();
    this.#undone = [];
    this.#lastMS = nowMS;
  }

  /** Forgets all: what was done is not done to the mesh that there is now. */
  clear(): void {
    this.#done = [];
    this.#undone = [];
    this.#lastMS = -Infinity;
  }

  /** Undoes the last edit and returns it; undefined where there is none. One that fails is not tried again. */
  undo(): Promise<Edit | undefined> {
    return this.#step(async () => {
      const edit = this.#done.pop();
      if (!edit) return undefined;
      await edit.undo();
      this.#undone.push(edit);
      this.#lastMS = -Infinity;
      return edit;
    });
  }

  redo(): Promise<Edit | undefined> {
    return this.#step(async () => {
      const edit = this.#undone.pop();
      if (!edit) return undefined;
      await edit.redo();
      this.#done.push(edit);
      return edit;
    });
  }

  /** One after the other, also when keys repeat faster than the mesh answers. */
  #step(work: () => Promise<Edit | undefined>): Promise<Edit | undefined> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }
}
