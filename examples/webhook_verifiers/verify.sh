#!/bin/sh
# sh verify.sh ID TIMESTAMP SIGNATURES [NOW] < body, with WEBHOOK_SECRET=whsec_…; exit code 0: it is genuine.
# The body goes through a pipe and not through a variable, which would lose its last line ends. Whoever may list the
# processes of this computer sees the key while openssl runs.

tolerance=300 # seconds between the sender's clock and ours
id=$1 timestamp=$2 signatures=$3 now=${4:-$(date +%s)}

case $timestamp in '' | *[!0-9]* | ?????????????*) exit 1 ;; esac
age=$((now - ${timestamp#"${timestamp%%[!0]*}"}))
[ "$age" -le "$tolerance" ] && [ "$age" -ge "-$tolerance" ] || exit 1

key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
expected=v1,$({ printf '%s.%s.' "$id" "$timestamp" && cat; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
case " $signatures " in *" $expected "*) exit 0 ;; esac
exit 1
