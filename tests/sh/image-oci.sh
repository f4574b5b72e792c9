#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An OCI layout gives the image of its layers, one on top of the other; owners need root.
. "$(dirname "$0")/../lib.sh"
requires mke2fs debugfs jq
. "$TOP/tests/oci.sh"

mkdir -p "$T/1/etc" "$T/1/old" "$T/2/etc" "$T/2/old" "$T/out.d"
echo ID=test >"$T/1/etc/os-release"
echo gone >"$T/1/etc/gone"
echo hidden >"$T/1/old/hidden"
echo second >"$T/2/etc/second"
: >"$T/2/etc/.wh.gone"
: >"$T/2/old/.wh..wh..opq"
find "$T/1" "$T/2" -exec touch -d '2024-02-29 12:00' {} +
oci_layer "$T/1"
oci_layer "$T/2"
oci_finish

if [ "$(id -u)" != 0 ]; then
	expect_exit 1 hydroot-image build "$T/oci" "$T/x.hri"
	assert_contains 'not root' 'run this as root' "$T/out"
	exit 0
fi
requires umoci
expect_exit 0 hydroot-image build "$T/oci" "$T/out.d/x.hri"
hydroot-image extract "$T/out.d/x.hri" "$T/fs"
content() { debugfs -R "cat $1" "$T/fs" 2>/dev/null; }
assert_equal 'of the first layer' ID=test "$(content /etc/os-release)"
assert_equal 'of the second layer' second "$(content /etc/second)"
assert_equal 'taken away' '' "$(content /etc/gone)"
assert_equal 'taken away with its folder' '' "$(content /old/hidden)"

# The layout in a tar, as `skopeo copy ... oci-archive:` and newer `docker save` make it.
tar -cf "$T/oci.tar" -C "$T/oci" .
expect_exit 0 hydroot-image build "$T/oci.tar" "$T/archive.hri"
assert 'a layout in a tar' cmp "$T/out.d/x.hri" "$T/archive.hri"
mkdir "$T/docker"
echo '[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l/layer.tar"]}]' >"$T/docker/manifest.json"
tar -cf "$T/docker.tar" -C "$T/docker" .
expect_exit 1 hydroot-image build "$T/docker.tar" "$T/out.d/z.hri"
assert_contains 'what docker save makes' 'skopeo copy docker-archive' "$T/out"
refute 'an image of layers' test -e "$T/out.d/z.hri"

sleep 1.1
hydroot-image build "$T/oci" "$T/y.hri" 2>/dev/null
assert 'the same bytes at another time' cmp "$T/out.d/x.hri" "$T/y.hri"

tagged() { jq -c --arg t "$1" '.annotations = {"org.opencontainers.image.ref.name": $t}' <<<"$oci_manifest"; }
jq -nc --argjson m "$(oci_list "$(tagged one)" "$(tagged two)")" \
	'{schemaVersion: 2, manifests: $m}' >"$T/oci/index.json"
expect_exit 1 hydroot-image build "$T/oci" "$T/out.d/z.hri"
assert_contains 'two images' 'has 2 images; name one as LAYOUT:TAG' "$T/out"
expect_exit 0 hydroot-image build "$T/oci:two" "$T/y.hri"
assert 'by tag' cmp "$T/out.d/x.hri" "$T/y.hri"
expect_exit 1 hydroot-image build "$T/oci:three" "$T/out.d/z.hri"
assert_contains 'no such tag' 'no image of this tag' "$T/out"
for f in "$T/oci/blobs/sha256/"*; do
	case $(head -c 2 "$f" | od -An -tx1) in ' 1f 8b') printf x >>"$f" ;; esac
done
expect_exit 1 hydroot-image build "$T/oci:two" "$T/out.d/z.hri"
assert_contains 'a damaged layer' 'umoci failed' "$T/out"
assert_equal 'what is left' x.hri "$(ls -A "$T/out.d")"
