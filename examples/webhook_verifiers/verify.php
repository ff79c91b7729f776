<?php
// php verify.php ID TIMESTAMP SIGNATURES [NOW] < body, with WEBHOOK_SECRET=whsec_…; exit code 0: it is genuine.

const TOLERANCE = 300; // seconds between the sender's clock and ours

// $body is what came in, byte for byte: file_get_contents('php://input') on a web server.
function genuine(string $secret, string $id, string $timestamp, string $signatures, string $body, int $now): bool
{
    if (!preg_match('/^[0-9]{1,12}$/D', $timestamp) || abs($now - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    foreach (explode(' ', $signatures) as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}

$body = file_get_contents('php://stdin');
exit(genuine(getenv('WEBHOOK_SECRET'), $argv[1], $argv[2], $argv[3], $body, (int) ($argv[4] ?? time())) ? 0 : 1);
