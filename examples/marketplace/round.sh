#!/usr/bin/env bash
#
# Runs one round of the example marketplace against a database whose outbox a node drains:
#
#   examples/marketplace/round.sh postgres://owner@127.0.0.1:5432/market
#
# Plain SQL by psql, as any language would send it. docs/postgres.md says how to set it up.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
url=${1:?the URL of the database}
query() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$url" "$@"; }

query --file schema.sql
query --file round.sql > /dev/null

# A backend needn't wait for receipts: they come into the rows by themselves.
for _ in $(seq 300); do
    left=$(query --command "SELECT count(*) FROM counterfoil.outbox WHERE state IN ('pending', 'waiting')")
    [ "$left" = 0 ] && break
    sleep 0.1
done

echo 'Orders, and where the ledger has them:'
query --command "
    SELECT m.id, o.state, 'entry ' || o.log_index, 'in block ' || o.height, encode(o.entry_id, 'hex')
    FROM market.orders AS m JOIN counterfoil.outbox AS o ON o.id = m.outbox_id ORDER BY m.id"
echo 'Rejected:'
query --command "
    SELECT kind, external_id, problem, detail FROM counterfoil.outbox WHERE state = 'rejected'"
echo 'Is the buyer of T-1 who we say?'
query --command "
    SELECT counterfoil.check_commitment('acme', 'transaction', 'T-1', buyer)
    FROM market.orders WHERE id = 'O-1'"
