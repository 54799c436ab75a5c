#!/bin/sh
# A bank's program that verifies a deed with curl and OpenSSL 3: sh verify.sh https://notary.example deed.pdf
# The key stands in YUANZHENG_KEY; a registered client certificate, where there is one, in YUANZHENG_CERT (PEM, with its key).
# Exit code 0: the deed is valid; 1: it is not; 2: an answer is not the office's.
set -eu
office=${1%/} deed=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ask() { # path, then what curl takes
  path=$1; shift
  curl -sS --max-time 60 ${YUANZHENG_CERT:+--cert "$YUANZHENG_CERT"} -H "X-API-Key: $YUANZHENG_KEY" "$@" "$office$path"
}
field() { # name: the string of that name on standard input
  sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}
decoded() { # base64url to bytes
  tr '_-' '/+' | awk '{ while (length($0) % 4) $0 = $0 "="; print }' | openssl base64 -d -A
}
signed() { # receipt: prints its claims if the office signed them
  printf '%s' "$1" | cut -d. -f1,2 | tr -d '\n' > "$work/signed"
  printf '%s\n' "$1" | cut -d. -f3 | decoded > "$work/signature"
  openssl pkeyutl -verify -pubin -inkey "$work/office.pem" -rawin -in "$work/signed" -sigfile "$work/signature" > "$work/said" 2>&1 ||
    { echo "not the office's answer" >&2; exit 2; }
  cut -d. -f2 "$work/signed" | decoded
}
whole() { # file of lines: the last one's receipt is over all before it
  sum=$(sed '$d' "$1" | openssl dgst -sha256 -r | cut -d' ' -f1)
  claims=$(signed "$(tail -n 1 "$1" | field receipt)") || exit 2
  [ "$(printf '%s' "$claims" | field sha256)" = "$sum" ] || { echo "the receipt is over other lines" >&2; exit 2; }
}

# The office's key for receipts, as OpenSSL reads it: twelve fixed bytes before the 32 of an Ed25519 key (RFC 8410).
x=$(curl -sS "$office/.well-known/yuanzheng/keys.json" | tr -d '\n' | tr '}' '\n' | grep '"receipt"' | field x)
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; printf '%s\n' "$x" | decoded; } > "$work/office.der"
openssl pkey -pubin -inform DER -in "$work/office.der" -out "$work/office.pem"

sha256=$(openssl dgst -sha256 -r "$deed" | cut -d' ' -f1)
ask /api/v1/verifications -H 'Content-Type: application/json' -H "Idempotency-Key: hash-$sha256-$$" \
  -d "{\"sha256\": \"$sha256\"}" > "$work/by-hash"
echo "by hash: $(field verdict < "$work/by-hash")$(field code < "$work/by-hash" | grep -x 'verify.no-match' || true)"
ask /api/v1/verifications -F "file=@$deed" > "$work/by-file"
claims=$(signed "$(field receipt < "$work/by-file")") || exit 2
verdict=$(printf '%s' "$claims" | field verdict)
echo "by file: $verdict"

printf '{"sha256": "%s"}\n' "$sha256" > "$work/batch"
ask /api/v1/verifications/batch -H 'Content-Type: application/x-ndjson' --data-binary "@$work/batch" > "$work/answers"
whole "$work/answers"
echo "batch: $(sed '$d' "$work/answers" | grep -c '"verdict"' || true) of 1 in the register"
ask '/api/v1/revocations?after=0' > "$work/feed"
whole "$work/feed"
echo "revocation feed: $(sed '$d' "$work/feed" | grep -c '"type"' || true) lines"
echo "every receipt is the office's"
[ "$verdict" = valid ]
