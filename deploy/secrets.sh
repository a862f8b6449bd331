#!/usr/bin/env bash
# Writes the secrets of docker-compose.yml into ./secrets: those that nobody needs to choose. What is there stays.
set -euo pipefail

folder=${1:-secrets}
random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# Containers read the files as users of their own; the folder keeps everybody else out.
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

write() {
    [ -e "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
}

write secret_key "$(random)$(random)"
write postgres_password "$(random)"
write redis_password "$(random)"
write garage_rpc_secret "$(random)"
write aws_access_key_id "GK$(random | head -c 24)"
write aws_secret_access_key "$(random)"
write database_url "postgres://neoapex:$(cat "$folder/postgres_password")@postgres:5432/neoapex"
write redis_url "redis://:$(cat "$folder/redis_password")@redis:6379/0"
# The bucket's first key: its server takes it from the environment only.
write garage.env "GARAGE_DEFAULT_ACCESS_KEY=$(cat "$folder/aws_access_key_id")
GARAGE_DEFAULT_SECRET_KEY=$(cat "$folder/aws_secret_access_key")"

for name in fal_key email_url; do
    [ -s "$folder/$name" ] || { : >"$folder/$name"; echo "Put a value into $folder/$name."; }
done
