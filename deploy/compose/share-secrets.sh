#!/bin/sh
# Makes the database passwords, and gives each service what it alone needs of all secrets, readable by
# its user only. What is there is kept.
set -eu
umask 077
all=/secrets/all
service_user=10001 postgres_user=999

# give SOURCE USER TARGET: written beside it and moved over it, so that no reader meets half a secret
give() {
  cp "$1" "$3.new"
  chmod 400 "$3.new"
  chown "$2" "$3.new"
  mv "$3.new" "$3"
}

# password NAME: made once, and given to the database server
password() {
  [ -s "$all/$1.password" ] || python -c 'import secrets; print(secrets.token_urlsafe(24))' >"$all/$1.password"
  give "$all/$1.password" $postgres_user "/secrets/postgres/$1"
}

password superuser
for service in intake verification referral exchange audit keyring; do
  password "$service"
  printf 'postgresql+asyncpg://%s:%s@postgres:5432/%s\n' \
    "$service" "$(cat "$all/$service.password")" "$service" >"$all/$service.database-url"
  give "$all/$service.database-url" $service_user "/secrets/$service/database-url"
  [ "$service" = keyring ] || give "$all/$service.jwk" $service_user "/secrets/$service/service.jwk"
done
for name in kek services.json; do give "$all/$name" $service_user "/secrets/keyring/$name"; done
for name in issuer.jwk staff.json; do give "$all/$name" $service_user "/secrets/exchange/$name"; done
# give_if_there SOURCE TARGET: keys that are there only while one is being changed
give_if_there() { if [ -e "$1" ]; then give "$1" $service_user "$2"; else rm -f "$2"; fi; }
give_if_there "$all/kek.next" /secrets/keyring/kek.next
for name in issuer.jwk.next issuer.jwk.retiring; do give_if_there "$all/$name" "/secrets/exchange/$name"; done
give "$all/log.seed" $service_user /secrets/audit/log.seed
