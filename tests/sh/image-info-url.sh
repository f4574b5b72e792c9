#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# info of a URL says what info of the file says, and fetches little more than the tables; what is no
# image, and a server without ranges, are named.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires nginx mke2fs jq
export no_proxy='*'
mkdir "$T/www"
head -c 40000000 /dev/urandom >"$T/fs"
hydroot-image keygen "$T/k"
hydroot-image build --key="$T/k.key" --chunk-size=64K --level=1 "$T/fs" "$T/www/x.hri" 2>/dev/null
start_nginx web "$T/www"
for option in '' --json; do
	# shellcheck disable=SC2086 # none or one
	hydroot-image info $option "$T/www/x.hri" >"$T/file"
	# shellcheck disable=SC2086
	hydroot-image info $option "$(nginx_url web x.hri)" >"$T/url"
	assert "info $option of the URL" cmp "$T/file" "$T/url"
done
sent=$(nginx_bytes "$(nginx_log web)")
needed=$(hydroot-image info --json "$T/www/x.hri" | jq .sections.data.offset)
assert_equal "bytes fetched" $((2 * needed)) "$sent"
assert_equal "requests" 4 "$(wc -l <"$(nginx_log web)")"

# Index pages beyond the first 256 KiB are asked for when they are needed.
truncate -s 80G "$T/sparse"
for i in 0 8 16 24 32 40 48 56 64 72; do
	head -c 4096 /dev/urandom | dd of="$T/sparse" bs=1M seek=$((i * 1024)) conv=notrunc status=none
done
hydroot-image build --chunk-size=64K --level=1 "$T/sparse" "$T/www/s.hri" 2>/dev/null
hydroot-image info "$T/www/s.hri" >"$T/file"
hydroot-image info "$(nginx_url web s.hri)" >"$T/url"
assert "info of a large image" cmp "$T/file" "$T/url"

# Names and passwords are not shown.
url=$(nginx_url web none.hri)
expect_exit 1 hydroot-image info "http://me:secret@${url#http://}"
assert_contains "no such file" 'the server answers 404' "$T/out"
refute "the password is shown" grep -q secret "$T/out"
cp "$T/file" "$T/www/text"
expect_exit 1 hydroot-image info "$(nginx_url web text)"
assert_contains "not an image" 'too few bytes|not a hydroot image' "$T/out"
truncate -s -1 "$T/www/x.hri"
expect_exit 1 hydroot-image info "$(nginx_url web x.hri)"
assert_contains "a file that was cut off" 'it was cut off' "$T/out"
stop_nginx web
expect_exit 1 hydroot-image info "$(nginx_url web x.hri)"
expect_exit 1 hydroot-image extract "$(nginx_url web x.hri)" "$T/y"
assert_contains "extract" "only 'info' takes a URL" "$T/out"
