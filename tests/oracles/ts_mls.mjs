// ts-mls behind lines of JSON: `node ts_mls.mjs FOLDER`, where FOLDER holds node_modules.
//
// A line in is {"op", "member", ...}; the line out, in the same order, is {"ok": ...} or {"error": "..."}. Bytes are
// hexadecimal. Many members live in one process; each is a state that an operation replaces as a whole, or not at all.

import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const part = (name) => import(pathToFileURL(join(process.argv[2], "node_modules/ts-mls/dist/src", name)));
// Part by part: its index also loads a provider that wants packages which nothing here needs.
const PARTS = [
  "clientState.js",
  "createCommit.js",
  "createMessage.js",
  "crypto/ciphersuite.js",
  "crypto/getCiphersuiteImpl.js",
  "externalProposal.js",
  "keyPackage.js",
  "keySchedule.js",
  "message.js",
  "processMessages.js",
  "util/byteArray.js",
];
const mls = Object.assign({}, ...(await Promise.all(PARTS.map(part))));
const { encode } = await part("codec/tlsEncoder.js");
const { decodeProposal } = await part("proposal.js");
const { decodeRatchetTree, ratchetTreeEncoder } = await part("ratchetTree.js");

const NAMES = {
  1: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
  3: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
};
const members = new Map();
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const whole = (decoder, text) => {
  const bytes = unhex(text);
  const found = decoder(bytes, 0);
  if (found === undefined || found[1] !== bytes.length) throw new Error("not decoded as a whole");
  return found[0];
};
const message = (text) => whole(mls.decodeMlsMessage, text);
const framed = (wireformat, content) => hex(mls.encodeMlsMessage({ version: "mls10", wireformat, ...content }));
const opaque32 = (bytes) => new Uint8Array([32, ...bytes]); // a vector of 32 bytes: one byte of length

function psks(member, keys) {
  const external = Object.entries(keys).map(([id, key]) => [mls.bytesToBase64(unhex(id)), unhex(key)]);
  return mls.makePskIndex(member.state, Object.fromEntries(external));
}

async function freshPackage(member) {
  const { notBefore, notAfter } = member.lifetime;
  const lifetime = { notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) };
  const { credential, capabilities, keys, cs } = member;
  return mls.generateKeyPackageWithKey(credential, capabilities, lifetime, [], keys, cs);
}

async function processed(member, { message: text, psks: keys }) {
  const incoming = message(text);
  if (incoming.wireformat === "mls_public_message")
    return mls.processPublicMessage(member.state, incoming.publicMessage, psks(member, keys), member.cs);
  return mls.processPrivateMessage(member.state, incoming.privateMessage, psks(member, keys), member.cs);
}

const operations = {
  async client(_, { member, suite, name, extensions, lifetime }) {
    const cs = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(NAMES[suite]));
    const keys = await cs.signature.keygen();
    const capabilities = { versions: ["mls10"], ciphersuites: [NAMES[suite]], extensions, proposals: [], credentials: ["basic"] };
    const credential = { credentialType: "basic", identity: unhex(name) };
    members.set(member, { cs, keys, capabilities, credential, lifetime });
    return hex(keys.publicKey);
  },
  async forget(_, { member }) {
    members.delete(member);
  },
  async key_package(member) {
    member.package = await freshPackage(member);
    return framed("mls_key_package", { keyPackage: member.package.publicPackage });
  },
  async create(member, { group }) {
    const { publicPackage, privatePackage } = await freshPackage(member);
    member.state = await mls.createGroup(unhex(group), publicPackage, privatePackage, [], member.cs);
  },
  async join(member, { welcome, tree, psks: keys }) {
    const { publicPackage, privatePackage } = member.package;
    const ratchetTree = tree === null ? undefined : whole(decodeRatchetTree, tree);
    const search = psks({ state: undefined }, keys);
    member.state = await mls.joinGroup(message(welcome).welcome, publicPackage, privatePackage, search, member.cs, ratchetTree);
  },
  async propose(member, { proposal, open, aad }) {
    const decoded = whole(decodeProposal, proposal);
    const made = await mls.createProposal(member.state, open, decoded, member.cs, unhex(aad));
    member.state = made.newState;
    return hex(mls.encodeMlsMessage(made.message));
  },
  async commit(member, { proposals, open, inside, aad, psks: keys }) {
    const made = await mls.createCommit(
      { state: member.state, pskIndex: psks(member, keys), cipherSuite: member.cs },
      {
        wireAsPublicMessage: open,
        extraProposals: proposals.map((text) => whole(decodeProposal, text)),
        ratchetTreeExtension: inside,
        authenticatedData: unhex(aad),
      },
    );
    member.next = made.newState;
    const welcome = made.welcome === undefined ? null : framed("mls_welcome", { welcome: made.welcome });
    return { message: hex(mls.encodeMlsMessage(made.commit)), welcome, tree: hex(encode(ratchetTreeEncoder)(made.newState.ratchetTree)) };
  },
  async merge(member) {
    member.state = member.next;
    member.next = undefined;
  },
  async process(member, request) {
    const result = await processed(member, request);
    member.state = result.newState;
    return member.state.groupActiveState.kind;
  },
  async seal(member, { data, aad }) {
    const made = await mls.createApplicationMessage(member.state, unhex(data), member.cs, unhex(aad));
    member.state = made.newState;
    return framed("mls_private_message", { privateMessage: made.privateMessage });
  },
  async open(member, request) {
    const result = await processed(member, { ...request, psks: {} });
    member.state = result.newState;
    return { data: hex(result.message), aad: hex(message(request.message).privateMessage.authenticatedData) };
  },
  async view(member, { label, context, length }) {
    const { keySchedule, ratchetTree, groupContext } = member.state;
    const exported = await mls.mlsExporter(keySchedule.exporterSecret, label, unhex(context), length, member.cs);
    return {
      epoch: Number(groupContext.epoch),
      tree: hex(encode(ratchetTreeEncoder)(ratchetTree)),
      authenticator: hex(keySchedule.epochAuthenticator),
      exported: hex(exported),
    };
  },
  async group_info(member, { inside, bare }) {
    const { state, cs } = member;
    const external = await cs.hpke.deriveKeyPair(state.keySchedule.externalSecret);
    const key = await cs.hpke.exportPublicKey(external.publicKey);
    const extensions = [{ extensionType: "external_pub", extensionData: bare ? key : opaque32(key) }];
    if (inside) extensions.push({ extensionType: "ratchet_tree", extensionData: encode(ratchetTreeEncoder)(state.ratchetTree) });
    const info = await mls.createGroupInfo(state.groupContext, state.confirmationTag, state, extensions, cs);
    return framed("mls_group_info", { groupInfo: info });
  },
  async join_by_commit(member, { info, tree, again, aad }) {
    const { publicPackage, privatePackage } = await freshPackage(member);
    const ratchetTree = tree === null ? undefined : whole(decodeRatchetTree, tree);
    const { groupInfo } = message(info);
    const made = await mls.joinGroupExternal(groupInfo, publicPackage, privatePackage, again, member.cs, ratchetTree, undefined, unhex(aad));
    member.next = made.newState;
    return framed("mls_public_message", { publicMessage: made.publicMessage });
  },
  async propose_self(member, { info, aad }) {
    const { publicPackage, privatePackage } = member.package;
    const made = await mls.proposeAddExternal(message(info).groupInfo, publicPackage, privatePackage, member.cs, unhex(aad));
    return hex(mls.encodeMlsMessage(made));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await operations[request.op](members.get(request.member), request)) ?? null };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
