#!/bin/sh
# Both databases, the artifacts and DVC's cache, into a folder of their own under /backups.
#
# The databases come first: what they name is among the artifacts by then, so that a backup of a stack
# at work is whole.
set -eu

umask 077
target="/backups/$(date -u +%Y-%m-%dT%H-%M-%SZ)"
if ! mkdir "$target.part" 2> /dev/null; then
    echo "error: the folder backups cannot be written: STACK_USER in .env must own it" >&2
    exit 1
fi
cd "$target.part"
for database in mlflow mlflow_auth; do
    pg_dump --format=custom --no-owner --file="$database.dump" "$database"
done
# What lies in the volume, but not its own root, whose mode only its owner could restore.
(cd /artifacts && find . -mindepth 1 -maxdepth 1 -print0) > /tmp/names
tar --create --file=artifacts.tar --directory=/artifacts --warning=no-file-changed \
    --null --files-from=/tmp/names || [ $? -eq 1 ] # 1: a file grew meanwhile; no database names it
mkdir -p /tmp/empty/cache
cache=/dvc
[ -d /dvc/cache ] || cache=/tmp/empty
tar --create --file=dvc-cache.tar --directory="$cache" cache
sha256sum -- *.dump *.tar > SHA256SUMS
sync
mv "$target.part" "$target"
echo "backups/${target##*/}: $(du --summarize --human-readable "$target" | cut -f 1)"
