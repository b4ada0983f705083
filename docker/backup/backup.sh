#!/bin/sh
# Back up both databases, the artifacts and DVC's cache to a new folder under /backups.
#
# The databases come first: the artifacts that they name exist by then, so that the backup of a running
# stack is complete.
set -eu

umask 077
target="/backups/$(date -u +%Y-%m-%dT%H-%M-%SZ)"
if ! mkdir "$target.part" 2> /dev/null; then
    echo "error: the folder backups is not writable: STACK_USER in .env must own it" >&2
    exit 1
fi
cd "$target.part"
for database in mlflow mlflow_auth; do
    pg_dump --format=custom --no-owner --file="$database.dump" "$database"
done
# The content of the volume without its root, whose mode only its owner could restore.
(cd /artifacts && find . -mindepth 1 -maxdepth 1 -print0) > /tmp/names
tar --create --file=artifacts.tar --directory=/artifacts --warning=no-file-changed \
    --null --files-from=/tmp/names || [ $? -eq 1 ] # 1: a file grew meanwhile, which no database names
mkdir -p /tmp/empty/cache
cache=/dvc
[ -d /dvc/cache ] || cache=/tmp/empty
tar --create --file=dvc-cache.tar --directory="$cache" cache
sha256sum -- *.dump *.tar > SHA256SUMS
sync
mv "$target.part" "$target"
echo "backups/${target##*/}: $(du --summarize --human-readable "$target" | cut -f 1)"
