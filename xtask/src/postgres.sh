# Runs a PostgreSQL server that forgets everything, until standard input closes; then stops it and removes its data.
# Standard input closes however the caller ends, so nothing stays behind even after a kill -9.
# Arguments: the folder of PostgreSQL's programs, the port.
set -eu
programs=$1
port=$2
[ -w "${TMPDIR:-/tmp}" ] || TMPDIR=/tmp
folder=$(mktemp -d "${TMPDIR:-/tmp}/mauntic-postgres-XXXXXX")
server=
stop() {
    trap - EXIT
    if [ -n "$server" ]; then
        # Immediately: there is nothing that would have to be kept.
        kill -QUIT "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"

"$programs/initdb" --pgdata data --username postgres --auth trust --encoding UTF8 --locale C.UTF-8 --no-sync >log 2>&1 || {
    cat log >&2
    exit 1
}
"$programs/postgres" -D data -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 -c max_connections=400 \
    -c shared_buffers=256MB -c fsync=off -c full_page_writes=off -c synchronous_commit=off </dev/null >>log 2>&1 &
server=$!

tries=0
until "$programs/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
        cat log >&2
        exit 1
    fi
    sleep 0.1
done
echo ready
cat >/dev/null
