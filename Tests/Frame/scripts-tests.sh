# shellcheck shell=sh disable=SC2154 # root, scratch and the functions come from run.sh
# The scripts refuse wrong use with the right exit code and a message that says what to do.
packages=$root/taskfiles/scripts/system-packages.sh

check "system-packages without a purpose is wrong usage" 64 "$(status sh "$packages")"
check "system-packages with an unknown purpose is wrong usage" 64 "$(status sh "$packages" --for lunch)"
check "wrong usage says how to use it" "yes" "$(grep -q 'what to do: usage:' "$scratch/stderr" && echo yes)"

# A system with nothing but the named programs on PATH.
mkdir "$scratch/bin"
for program in sh dirname sed head sort cat id; do
  ln -s "$(command -v "$program")" "$scratch/bin/$program"
done
check "no Swift toolchain is an error of its own" 69 \
  "$(status env PATH="$scratch/bin" sh "$packages" --for build)"
check "no Swift toolchain says so" "yes" "$(grep -q 'no Swift toolchain' "$scratch/stderr" && echo yes)"

printf '#!/bin/sh\necho "Swift version 5.10.1 (swift-5.10.1-RELEASE)"\n' >"$scratch/bin/swift"
chmod +x "$scratch/bin/swift"
check "an old Swift toolchain is refused" 69 "$(status env PATH="$scratch/bin" sh "$packages" --for build)"
check "an old Swift toolchain is named with both versions" "yes" \
  "$(grep -q 'Swift 5.10.1 .* 6.2 or newer' "$scratch/stderr" && echo yes)"

printf '#!/bin/sh\necho "Apple Swift version 6.10 (swift-6.10-RELEASE)"\n' >"$scratch/bin/swift"
check "Swift 6.10 counts as newer than 6.2; a system without apt is refused next" 69 \
  "$(status env PATH="$scratch/bin" sh "$packages" --for build)"
check "a system without apt gets the list of libraries" "yes" \
  "$(grep -q 'no dpkg and apt' "$scratch/stderr" && grep -q 'libcurl and OpenSSL' "$scratch/stderr" && echo yes)"

printf '#!/bin/sh\necho "swift: cannot open libncurses.so.6" >&2\nexit 127\n' >"$scratch/bin/swift"
check "a Swift toolchain that does not start is refused" 69 \
  "$(status env PATH="$scratch/bin" sh "$packages" --for build)"
check "a Swift toolchain that does not start is quoted" "yes" \
  "$(grep -q 'it says: swift: cannot open libncurses' "$scratch/stderr" && echo yes)"

# taskw finds its repository from anywhere, and tells go-task from Taskwarrior.
repository="$scratch/a repository"
mkdir -p "$repository/taskfiles/scripts" "$scratch/path" "$scratch/elsewhere"
cp "$root/taskw" "$repository/taskw"
ln -s "$repository/taskw" "$scratch/elsewhere/link to taskw"
ln -s "link to taskw" "$scratch/elsewhere/second"
cat >"$scratch/path/task" <<'STUB'
#!/bin/sh
case $1 in
  --version) echo "$STUB_VERSION" ;;
  --help) echo "$STUB_HELP" ;;
  *) printf '<%s>' "$@" ;;
esac
STUB
# An installation that always fails, so that a test never reaches the network.
printf '#!/bin/sh\nexit 69\n' | tee "$scratch/path/python3" >"$repository/taskfiles/scripts/system-packages.sh"
chmod +x "$scratch/path/task" "$scratch/path/python3"
run_taskw() {
  STUB_VERSION=$1 STUB_HELP=$2
  export STUB_VERSION STUB_HELP
  shift 2
  (cd "$scratch/elsewhere" && PATH="$scratch/path:$PATH" status "$@")
}
go_help='Runs the specified task(s). Falls back to the "default" task ... Taskfile'
physical=$(cd "$repository" && pwd -P)
arguments="<--exit-code><--taskfile><$physical/Taskfile.yml><--dir><$physical>"

check "taskw runs go-task from PATH, through two symlinks and a space" 0 \
  "$(run_taskw 3.54.0+pypi "$go_help" ./second build 'a b')"
check "taskw passes the root and the arguments" "$arguments<build><a b>" "$(cat "$scratch/stdout")"
check "taskw without arguments lists the tasks" 0 \
  "$(run_taskw 'Task version: v3.47.0 (h1:x)' "$go_help" "$repository/taskw")"
check "taskw without arguments asks for the list" "$arguments<--list>" "$(cat "$scratch/stdout")"
check "a go-task that is too old is not used" 69 "$(run_taskw 3.46.9 "$go_help" ./second build)"
check "Taskwarrior is not used, whatever its version" 69 "$(run_taskw 3.99.0 'Usage: task <command>' ./second build)"
check "a failed installation leaves nothing in .tools" "" "$(ls -A "$repository/.tools")"

# chromium.sh: a Chromium that is there is taken; one that cannot be installed is an error.
mkdir -p "$scratch/no-chromium" "$scratch/a-chromium"
for name in sh env dirname id; do ln -s "$(command -v "$name")" "$scratch/no-chromium/$name"; done
printf '#!/bin/sh\nexit 100\n' >"$scratch/no-chromium/apt-get"
printf '#!/bin/sh\nexit 1\n' >"$scratch/no-chromium/sudo"
printf '#!/bin/sh\necho Chromium\n' >"$scratch/a-chromium/chromium"
chmod +x "$scratch/no-chromium/apt-get" "$scratch/no-chromium/sudo" "$scratch/a-chromium/chromium"
check "a Chromium that cannot be installed is an error" 69 \
  "$(PATH="$scratch/no-chromium" status sh "$root/taskfiles/scripts/chromium.sh")"
check "a Chromium that is there is left alone" 0 \
  "$(PATH="$scratch/a-chromium:$scratch/no-chromium" status sh "$root/taskfiles/scripts/chromium.sh")"

# nginx.sh unpacks a package that apt cannot download: an error, and nothing is left.
repository="$scratch/a repository without nginx"
mkdir -p "$repository/taskfiles/scripts" "$scratch/no-apt"
cp -R "$root/taskfiles/scripts/nginx.sh" "$root/taskfiles/scripts/lib" "$repository/taskfiles/scripts/"
printf '#!/bin/sh\nexit 100\n' >"$scratch/no-apt/apt-get"
printf '#!/bin/sh\necho 1000\n' >"$scratch/no-apt/id"
chmod +x "$scratch/no-apt/apt-get" "$scratch/no-apt/id"
# An nginx that is installed is taken as it is.
expected=69
[ ! -x /usr/sbin/nginx ] || expected=0
check "a package that cannot be downloaded is an error" "$expected" \
  "$(PATH="$scratch/no-apt:$PATH" status sh "$repository/taskfiles/scripts/nginx.sh")"
[ "$expected" -eq 0 ] || check "and leaves nothing in .tools" "" "$(ls -A "$repository/.tools")"
mkdir -p "$repository/.tools/nginx"
printf '#!/bin/sh\nexit 1\n' >"$repository/.tools/nginx/nginx"
chmod +x "$repository/.tools/nginx/nginx"
check "an nginx that is there is left alone" 0 \
  "$(PATH="$scratch/no-apt:$PATH" status sh "$repository/taskfiles/scripts/nginx.sh")"

# What failed is said again at the end, with the exit code of the tests.
cat >"$scratch/bin/swift" <<'SWIFT'
#!/bin/sh
echo '◇ Test countBeds() started.'
echo '✘ Test countBeds() recorded an issue at BedTests.swift:7:3: Expectation failed: (beds → 3) == 4'
echo '↳ after the move'
echo '✔ Test openDoors() passed after 0.1 seconds.'
[ "$*" = "test --skip-build --filter pass" ] || exit 1
SWIFT
tests=$root/taskfiles/scripts/swift-test.sh
check "tests that fail give their exit code" 1 "$(status env PATH="$scratch/bin:$PATH" sh "$tests" --filter 'two words')"
check "what failed, and what is said of it, are the end of the output" \
  '✘ Test countBeds() recorded an issue at BedTests.swift:7:3: Expectation failed: (beds → 3) == 4
↳ after the move' "$(tail -n 2 "$scratch/stdout")"
check "tests that pass end with their own last line" "0 ✔" \
  "$(status env PATH="$scratch/bin:$PATH" sh "$tests" --filter pass) $(tail -n 1 "$scratch/stdout" | cut -d' ' -f1)"
