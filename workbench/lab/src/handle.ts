// A document whose content stays on the disk: only its name is of interest here, the kernel reads the file.
import { DocumentModel, TextModelFactory } from "@jupyterlab/docregistry";
import type { Contents } from "@jupyterlab/services";
import { MODEL } from "./ids";

class HandleModel extends DocumentModel {
  constructor() {
    // Lab copies each document that it could save as a checkpoint, except those that "collaborate".
    super({ collaborationEnabled: true });
    this.readOnly = true;
  }
  /** What Lab would write. There is nothing, and the file must not become that. */
  override toString(): string {
    throw new Error("This file is only read here; nothing was written");
  }
}

export class HandleModelFactory extends TextModelFactory {
  override get name(): string {
    return MODEL;
  }
  override get contentType(): Contents.ContentType {
    return "file";
  }
  /** Without a format Lab asks the server for no content, so that a capture of many gigabytes opens at once. */
  override get fileFormat(): Contents.FileFormat {
    return null;
  }
  override createNew(): DocumentModel {
    return new HandleModel();
  }
}
