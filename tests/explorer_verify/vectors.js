// Holds the golden vectors against the verifier of the pages. `base` is where its modules are,
// `files` the vectors' texts by the name of their file. Gives what is wrong, and how many cases there were.
async function checkVectors(base, files) {
  const names = ['blake3', 'bytes', 'checkpoint', 'entry', 'export', 'header', 'merkle', 'receipt', 'spec', 'succession', 'text', 'types'];
  const loaded = await Promise.all(names.map((name) => import(`${base}${name}.js`)));
  const m = Object.fromEntries(names.map((name, at) => [name, loaded[at]]));
  const { hex, fromHex, Wrong } = m.bytes;
  const KINDS = m.entry.KINDS;

  const plain = (value) => JSON.stringify(value, (_, item) => {
    if (typeof item === 'bigint') return Number(item);
    const table = typeof item === 'object' && item !== null && !Array.isArray(item);
    return table ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item;
  });
  const equal = (found, expected) => {
    if (plain(found) !== plain(expected)) throw new Wrong(`found ${plain(found)}, must be ${plain(expected)}`);
  };
  const refused = async (act) => {
    try {
      await act();
    } catch (error) {
      if (error instanceof Wrong) return true;
      throw error;
    }
    return false;
  };

  // From text to what is encoded: the way that the pages never need.
  const fromText = (type, value, scales, currency) => {
    if (type.optional) return value === undefined || value === null ? null : fromText(type.of, value, scales, currency);
    if (type.many) return (value ?? []).map((item) => fromText(type.of, item, scales, currency));
    if (type.variants) {
      const [name, fields] = type.variants.find(([known]) => known === value[type.tag]);
      return { [type.tag]: name, ...fromText(fields, value, scales, currency) };
    }
    if (type.fields) {
      const own = value.currency ?? currency;
      return Object.fromEntries(Object.entries(type.fields).map(([name, of]) => [name, fromText(of, value[name], scales, own)]));
    }
    switch (type.say) {
      case 'amount': return m.text.parseDecimal(value, scales[currency]);
      case 'rate': return m.text.parseDecimal(value, 9, (1n << 64n) - 1n);
      case 'time': return m.text.parseTime(value);
      case 'bytes': return fromHex(value);
      case 'scales': return value ?? {};
      case 'number': return type === m.types.U64 ? BigInt(value) : value;
      default: return value;
    }
  };
  const entryLeaf = (text, scales) => {
    const entry = fromText(m.entry.ENTRY, { ...text, body: { kind: text.kind, ...text.body } }, scales);
    return m.bytes.joined(Uint8Array.of(1), m.entry.ENTRY.write(entry));
  };
  const entryText = (leaf, scales) => {
    const { entry } = m.header.decodeLeaf(leaf);
    const { kind, ...body } = m.text.readable(m.entry.ENTRY, entry, scales).body;
    return { ...m.text.readable(m.entry.ENTRY, entry, scales), kind, body };
  };

  const t = m.types;
  const TYPES = {
    u8: t.BYTE, u16: t.U16, u32: t.U32, u64: t.U64, string: t.string(/^/), id: t.ID, currency: t.CURRENCY,
    time: t.TIME, amount: t.AMOUNT, 'option<id>': t.option(t.ID), 'list<id>': t.list(t.ID), digest: t.DIGEST,
  };
  const NUMBERS = ['u8', 'u16', 'u32', 'u64', 'amount'];
  const says = (value) => plain(value instanceof Uint8Array ? hex(value) : value);

  const edited = (value, edits) => {
    const copy = structuredClone(value);
    for (const [pointer, replacement] of Object.entries(edits)) {
      const way = pointer.split('/').slice(1);
      const last = way.pop();
      const parent = way.reduce((into, member) => into[member], copy);
      if (replacement !== null) parent[last] = replacement;
      else if (Array.isArray(parent)) parent.splice(Number(last), 1);
      else delete parent[last];
    }
    return copy;
  };
  const trusted = (assume, output) => ({ spec: m.spec.Spec.from(assume.spec ?? output.spec) });
  const bytesOf = (value) => m.bytes.utf8(typeof value === 'string' ? value : JSON.stringify(value));
  const step = (_, act) => act();
  const tomlOf = (spec) => [
    `name = ${JSON.stringify(spec.name)} # a comment`, `"origin" = '${spec.origin}'`, `genesis_time = "${spec.genesis_time}"`,
    `rules_version = ${spec.rules_version}`, `authorities = ${JSON.stringify(spec.authorities)}`,
    `witnesses = [${spec.witnesses.map((w) => `{ name = "${w.name}", key = "${w.key}" }`).join(',\n ')}]`,
    '[governance]', `keys = [\n${spec.governance.keys.map((key) => `"${key}",`).join('\n')}\n]`, `quorum = ${spec.governance.quorum}`,
    '', '[currencies]', ...Object.entries(spec.currencies).map(([code, scale]) => `${code} = ${scale}`),
    '[limits]', ...Object.entries(spec.limits).map(([name, value]) => `${name} = ${value}`),
  ].join('\n');

  const entry = (assume, given, output) => {
    const leaf = fromHex(output.leaf);
    equal(hex(entryLeaf(given, assume.currencies)), output.leaf);
    equal(entryText(leaf, assume.currencies), given);
    equal(hex(m.header.entryId(leaf)), output.entry_id);
    equal(hex(m.merkle.leafHash(leaf)), output.leaf_hash);
  };
  const header = (_, given, output) => {
    const leaf = fromHex(output.leaf);
    equal(`00${hex(m.header.HEADER.write(fromText(m.header.HEADER, given, {})))}`, output.leaf);
    const decoded = m.header.decodeLeaf(leaf).header;
    equal(m.text.readable(m.header.HEADER, decoded, {}), given);
    equal(hex(m.header.headerHash(leaf)), output.header_hash);
    equal(hex(m.merkle.leafHash(leaf)), output.leaf_hash);
    if (output.index !== undefined) equal(m.header.headerIndex(decoded), output.index);
  };
  const receipt = async (assume, _, output) => {
    const parsed = m.receipt.parseReceipt(bytesOf(output));
    const found = await m.receipt.checkReceipt(parsed, trusted(assume), step);
    equal(hex(found.spec.verifierKey.key), hex(found.header.authority));
  };
  const receiptRefused = async (assume, _, output) => {
    const act = async () => m.receipt.checkReceipt(m.receipt.parseReceipt(bytesOf(output.receipt)), trusted(assume), step);
    equal(await refused(act), true);
  };
  const CHECKS = {
    types: (_, given, output) => {
      const type = TYPES[given.type];
      const wide = given.type === 'u8' ? Number : BigInt;
      const expected = NUMBERS.includes(given.type) ? wide(given.value) : fromText(type, given.value, {});
      equal(hex(type.write(expected)), output.bytes);
      equal(says(t.decode(type, fromHex(output.bytes))), says(expected));
    },
    'types-refused': async (_, given) => {
      equal(await refused(() => t.decode(TYPES[given.type], fromHex(given.bytes))), true);
    },
    header,
    ...Object.fromEntries(KINDS.map((kind) => [`entry-${kind}`, entry])),
    'leaf-refused': async (_, given) => {
      equal(await refused(() => m.header.decodeLeaf(fromHex(given.leaf.repeat(given.times ?? 1)))), true);
    },
    genesis: (_, given, output) => {
      for (const spec of [m.spec.Spec.from(given), m.spec.Spec.parse(tomlOf(given))]) {
        equal(hex(spec.parameters()), output.genesis_parameters);
        equal(hex(spec.chainId), output.chain_id);
        equal(String(spec.verifierKey), output.vkey);
        equal(hex(m.checkpoint.VerifierKey.parse(output.vkey).key), hex(spec.verifierKey.key));
        equal(hex(spec.genesisLeaf()), output.leaf);
      }
      header(null, output.header, output);
    },
    'spec-refused': async (assume, given) => {
      equal(await refused(() => m.spec.Spec.from(edited(assume, given))), true);
    },
    tree: (_, given, output) => {
      const log = new m.merkle.Frontier();
      const hashes = given.leaves.map((leaf) => m.merkle.leafHash(fromHex(leaf)));
      const roots = [log.root(), ...hashes.map((hash) => (log.push(hash), log.root()))];
      equal(roots.map(hex), output.roots);
      for (const { index, size, proof } of output.inclusion) {
        const found = m.merkle.follow(hashes[index], BigInt(index), BigInt(size), proof.map((item) => fromHex(item)));
        equal(hex(found.root), output.roots[size]);
        if (index + 1 === size) equal(hex(m.merkle.fold(proof.map((item) => fromHex(item)))), output.roots[index]);
      }
      for (const { old_size, size, proof } of output.consistency) {
        const hashesOf = proof.map((item) => fromHex(item));
        equal(m.merkle.isConsistent(BigInt(old_size), roots[old_size], BigInt(size), roots[size], hashesOf), true);
      }
    },
    'proof-refused': async (_, given, output) => {
      const proof = given.proof.map((item) => fromHex(item));
      const [size, root] = [BigInt(given.size), fromHex(given.root)];
      if (given.old_size !== undefined) {
        equal(m.merkle.isConsistent(BigInt(given.old_size), fromHex(given.old_root), size, root, proof), output.holds);
        return;
      }
      let found = null;
      await refused(() => { found = hex(m.merkle.follow(fromHex(given.leaf_hash), BigInt(given.index), size, proof).root); });
      equal(found === given.root, output.holds);
    },
    checkpoint: async (_, given, output) => {
      const key = m.checkpoint.VerifierKey.parse(output.vkey);
      equal([key.name, hex(key.key), String(key)], [given.origin, output.key, output.vkey]);
      const found = await key.open(output.note);
      equal([found.origin, found.size, hex(found.root)], [given.origin, given.size, given.root]);
    },
    note: async (assume, given, output) => {
      const key = new m.checkpoint.VerifierKey(assume.origin, fromHex(assume.key));
      if (output.error !== undefined) equal(await refused(() => key.open(given)), true);
      else {
        const found = await key.open(given);
        equal({ size: found.size, root: hex(found.root) }, output);
      }
    },
    block: async (assume, given, output) => {
      const ledger = new m.export.Ledger(m.spec.Spec.from(assume.spec));
      for (const sealed of output) {
        await ledger.take(fromHex(sealed.wire));
        equal(hex(ledger.hash), sealed.header_hash);
        equal(hex(ledger.log.root()), sealed.root);
      }
    },
    'block-refused': async (_, given) => {
      const act = () => m.export.decodeBlock(fromHex(given)).leaves.forEach((leaf) => {
        m.bytes.require(m.header.decodeLeaf(leaf).entry, 'a header');
      });
      equal(await refused(act), true);
    },
    receipt,
    'receipt-refused': receiptRefused,
    'succession-receipt': receipt,
    'succession-receipt-refused': receiptRefused,
    succession: async (assume, given, output) => {
      const spec = m.spec.Spec.from(assume.spec);
      const changes = new m.succession.Succession(spec);
      let [height, parent] = [1n, m.header.headerHash(spec.genesisLeaf())];
      const take = async (text) => {
        if (text.kind !== 'spec_change') return false;
        await changes.takeAt(entryLeaf(text, assume.currencies), height, parent);
        return true;
      };
      for (const { entries } of given.blocks) {
        for (const text of entries) await take(text);
        [height, parent] = [height + 1n, new Uint8Array(32)];
      }
      let opening = true;
      for (const text of given.before) opening = (await take(text)) && opening;
      const leaf = entryLeaf(given.entry, assume.currencies);
      equal(hex(leaf), output.leaf);
      equal(hex(m.succession.signedMessage(spec.chainId, m.header.decodeLeaf(leaf).entry)), output.signed);
      // That a change stands first in its block is the block's to see; what an event's time or a name
      // that is taken comes to, the rules'.
      const others = ['change-not-first', 'event-in-future', 'conflict', 'duplicate'];
      if (output.refused === undefined) {
        await take(given.entry);
        equal(hex(changes.at(height).verifierKey.key), output.sealed_by);
      } else if (opening && !others.includes(output.refused)) {
        equal(given.entry.kind !== 'spec_change' || await refused(() => take(given.entry)), true);
      }
    },
    time: async (_, given, output) => {
      if (output.error !== undefined) equal(await refused(() => m.text.parseTime(given)), true);
      else {
        const found = m.text.parseTime(given);
        equal({ milliseconds: String(found), written: m.text.writtenTime(found) }, output);
      }
    },
    amount: async (_, given, output) => {
      if (output.error !== undefined) equal(await refused(() => m.text.parseDecimal(given.text, given.scale)), true);
      else {
        const found = m.text.parseDecimal(given.text, given.scale);
        equal({ units: String(found), written: m.text.decimal(found, given.scale) }, output);
      }
    },
    rate: async (_, given, output) => {
      const parse = () => m.text.parseDecimal(given, 9, (1n << 64n) - 1n);
      if (output.error !== undefined) equal(await refused(parse), true);
      else equal({ billionths: String(parse()), written: m.text.writtenRate(parse()) }, output);
    },
    // What only the rules and whoever looks for two histories need.
    evidence: null, rules: null, rounding: null, change: null, month: null,
  };

  const wrong = [];
  let count = 0;
  for (const [file, text] of Object.entries(files)) {
    // JSON's numbers are JavaScript's only up to 2^53.
    const vectors = JSON.parse(text.replace(/: (\d{17,}|9[1-9]\d{14})(?=[,\s])/g, ': "$1"'));
    if (CHECKS[file] === undefined) wrong.push(`${file}: unknown`);
    for (const one of CHECKS[file] ? vectors.cases : []) {
      count += 1;
      try {
        await CHECKS[file](vectors.assume, one.input, one.output);
      } catch (error) {
        wrong.push(`${file}: ${one.case}: ${error.stack.slice(0, 600)}`);
      }
    }
  }
  return { count, wrong };
}
