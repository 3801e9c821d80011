#!/bin/sh
# Once, on an empty data folder: a role and a database a service; nobody else may connect to it.
set -eu
for service in intake verification referral exchange audit keyring; do
  psql -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -v service="$service" <<'SQL'
\set password `cat /run/secrets/homeward/:service`
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
