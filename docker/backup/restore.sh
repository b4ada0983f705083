#!/bin/sh
# Restore a backup, named by its folder, into an empty stack.
set -eu

refuse() {
    echo "error: $1" >&2
    exit 1
}

name="${1:-}"
name="${name%/}"
source="/backups/${name##*/}"
if [ -z "$name" ] || [ ! -f "$source/SHA256SUMS" ]; then
    refuse "restore needs a folder in backups: there are $(ls /backups | tr '\n' ' ')"
fi
cd "$source"
sha256sum --check --quiet SHA256SUMS >&2 || refuse "the backup $name is damaged"
for database in mlflow mlflow_auth; do
    tables=$(psql --tuples-only --no-align --dbname="$database" \
        --command="SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    [ "$tables" = 0 ] || refuse "the database $database is not empty: \`docker compose down --volumes\` \
destroys what the stack holds, then restore before anything else is started"
done
[ -z "$(ls -A /artifacts)" ] || refuse "the volume of artifacts is not empty: see docs/operations.md"
for database in mlflow mlflow_auth; do
    pg_restore --no-owner --exit-on-error --single-transaction --dbname="$database" "$database.dump"
done
tar --extract --file=artifacts.tar --directory=/artifacts
tar --extract --file=dvc-cache.tar --directory=/dvc --skip-old-files
sync
echo "$name is restored: start the stack"
