#!/bin/sh
# create-secrets.sh FOLDER: gives each service what it alone needs of FOLDER, as a Secret of its name.
# docs/operations.md says how FOLDER is made; <service>.database-url in it is yours to write.
set -eu
cd "$1"

# secret SERVICE ARGUMENT…: server-side, so that no annotation holds a second copy
secret() {
  service=$1; shift
  kubectl -n homeward create secret generic "$service" --from-file=database-url="$service.database-url" "$@" \
    --dry-run=client -o yaml | kubectl apply --server-side -f -
}

for service in intake verification referral; do
  secret $service --from-file=service.jwk=$service.jwk
done
# While the issuer's key is being changed there are two or three.
others=; for name in issuer.jwk.next issuer.jwk.retiring; do
  [ ! -e $name ] || others="$others --from-file=$name"
done
secret exchange --from-file=service.jwk=exchange.jwk --from-file=issuer.jwk $others --from-file=staff.json
secret audit --from-file=service.jwk=audit.jwk --from-file=log.seed
# During a rotation there are two key-encryption keys.
next=; [ ! -e kek.next ] || next=--from-file=kek.next
secret keyring --from-file=kek $next --from-file=services.json
