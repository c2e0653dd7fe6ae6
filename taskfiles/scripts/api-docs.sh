#!/bin/sh
# Makes the reference of the Swift libraries with DocC, from what a debug build has left; every warning is an error.
#
#   api-docs.sh DESTINATION      one MODULE.doccarchive each (docc preview, or any web server, shows it)
#
# Also compiles the code of the tutorials and of the Swift examples in README.md and docs/. Parameters without a line of
# documentation are no error: many need none. Exit codes: 0 made; 1 a warning, or code that does not compile; 69 not built.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$scripts/../.." && pwd)
. "$scripts/lib/messages.sh"

[ $# -eq 1 ] || fail 64 "no destination" "usage: api-docs.sh DESTINATION"
mkdir -p "$1"
destination=$(CDPATH='' cd -- "$1" && pwd)
modules=$root/.build/debug/Modules
[ -e "$modules/ReplicaSync.swiftmodule" ] || fail 69 "no $modules" "build it: ./taskw build:debug"

work=$(mktemp -d) || fail 74 "cannot make a temporary folder in ${TMPDIR:-/tmp}" "free some space there"
trap 'rm -rf -- "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The C targets' headers, as the build has written their module maps.
set --
for target in CLinux COpenSSL CSQLCipher CCurl; do
  set -- "$@" -Xcc "-fmodule-map-file=$root/.build/debug/$target.build/module.modulemap" -I "$root/Sources/$target/include"
done

# compile FILE
compile() {
  swiftc -c -o /dev/null -swift-version 6 -warnings-as-errors -parse-as-library -module-name Example -I "$modules" \
    "$@" || fail 1 "an example does not compile (the message is above)" "correct the example, or what it shows"
}
for file in "$root"/Sources/*/*.docc/Code/*.swift; do
  compile "$file" "$@"
done
for document in "$root"/README.md "$root"/docs/*.md; do
  # Each block becomes a function of its own.
  python3 - "$document" "$work" <<'PYTHON'
import pathlib, re, sys
document, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
text = document.read_text(encoding="utf-8")
for number, match in enumerate(re.finditer(r"```swift\n(.*?)```", text, re.DOTALL), 1):
    lines = match.group(1).split("\n")
    imports = [line for line in lines if line.startswith("import ")]
    body = ["  " + line for line in lines if not line.startswith("import ")]
    name = f"{document.stem}-{number}".replace(".", "-")
    (work / f"{name}.swift").write_text(
        "\n".join(imports + ["func example() async throws {"] + body + ["}", ""]), encoding="utf-8")
PYTHON
done
for file in "$work"/*.swift; do
  [ ! -e "$file" ] || compile "$file" "$@"
done

for module in EncryptionKeys EncryptedStorage LibSQLClient ReplicaSync Migrations; do
  mkdir -p "$work/$module" "$work/empty.docc"
  swift symbolgraph-extract -module-name "$module" -I "$modules" "$@" -target "$(uname -m)-unknown-linux-gnu" \
    -output-dir "$work/$module" -minimum-access-level public
  catalog=$root/Sources/$module/$module.docc
  [ -d "$catalog" ] || catalog=$work/empty.docc
  docc convert "$catalog" --additional-symbol-graph-dir "$work/$module" --output-path "$destination/$module.doccarchive" \
    --fallback-display-name "$module" --fallback-bundle-identifier "albergue-crypt.$module" \
    --disable-parameters-and-returns-validation --warnings-as-errors ||
    fail 1 "the documentation of $module has warnings (above)" "correct them"
done
note "made $destination"
