#!/bin/sh
# Databases at Turso: made, shown, given a token, destroyed. Run by the tasks turso:db:*.
#
#   database.sh create  NAME                     makes it in TURSO_GROUP; prints its address
#   database.sh url     NAME                     prints its address, libsql://...
#   database.sh token   NAME [FILE] [--read-only] [--expiration 1d]
#                                                a token for it, into FILE (mode 600) or to standard output
#   database.sh destroy NAME [--yes] [--if-there]  and looks whether it is gone
#   database.sh sweep   [--dry-run]              destroys what tests have left: names of TURSO_TEST_DB_PREFIX and a time
#
# NAME may come from TURSO_DB_NAME. By the `turso` command line where it is installed, else by the Platform API with
# TURSO_API_TOKEN and TURSO_ORG. The result is on standard output, everything else on standard error.
# Exit codes: 0 done and checked; 1 it is still there; 64 usage; 66 no such database; 69 not reachable, or a program is
# missing; 73 the name is taken; 74 cannot write FILE; 76 an answer that makes no sense; 77 not allowed.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$scripts/lib/messages.sh"
. "$scripts/lib/turso.sh"

usage="usage: database.sh create|url|token|destroy|sweep [NAME] (see the head of the script)"
[ $# -ge 1 ] || fail 64 "no command" "$usage"
command=$1
shift

name='' file='' yes='' if_there='' dry_run='' read_only='' expiration=${TURSO_TOKEN_EXPIRATION:-1d}
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=yes ;;
    --if-there) if_there=yes ;;
    --dry-run) dry_run=yes ;;
    --read-only) read_only=yes ;;
    --expiration)
      [ $# -ge 2 ] || fail 64 "--expiration needs a time, such as 1d" "$usage"
      expiration=$2
      shift
      ;;
    -*) fail 64 "unknown option '$1'" "$usage" ;;
    *)
      if [ -z "$name" ]; then name=$1; elif [ "$command" = token ] && [ -z "$file" ]; then file=$1; else
        fail 64 "too many arguments" "$usage"
      fi
      ;;
  esac
  shift
done
case $command in
  create | url | token | destroy)
    name=${name:-${TURSO_DB_NAME:-}}
    valid_name "$name" ||
      fail 64 "no name of a database (lower case, digits and dashes, at most 64)" "give it: ./taskw turso:db:$command -- NAME"
    ;;
  sweep) [ -z "$name" ] || fail 64 "sweep takes no name" "set TURSO_TEST_DB_PREFIX" ;;
  *) fail 64 "unknown command '$command'" "$usage" ;;
esac
case $expiration in
  never) ;;
  *[!0-9smhdwy]* | '' | [!0-9]* | *[0-9]) fail 64 "an expiration is 'never' or a time such as 1d, 2w, 12h" "$usage" ;;
esac

case $file in
  '' | /*) ;;
  *) file=${ALBERGUE_USER_DIR:-.}/$file ;;
esac

turso_begin
turso_way

# explain_failure WHAT: ends the script after the command line ended with $code. It has one code for everything, so the
# list of databases is asked whether there is such a one.
explain_failure() {
  if [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && ! is_there; then
    fail 66 "$1: there is no database $name" "turso db list shows those that are there"
  fi
  cli_failed "$1" "$code" "$output"
}

# address_of: prints the address, checked.
address_of() {
  if [ "$turso_way" = cli ]; then
    code=0
    output=$(turso_command db show "$name" --url) || code=$?
    if [ "$code" -ne 0 ] || ! valid_url "$output"; then explain_failure "$name"; fi
    printf '%s\n' "$output"
  else
    turso_api GET "/databases/$name"
    [ "$api_status" = 200 ] || api_failed "$name"
    address_in_answer
  fi
}

# address_in_answer: from the answer that describes a database.
address_in_answer() {
  host=$(api_field database.Hostname)
  case $turso_is_local:$host in
    yes:127.0.0.1:*) output=http://$host ;;
    *) output=libsql://$host ;;
  esac
  valid_url "$output" || fail 76 "$name: Turso's API named no host" "look at the database on turso.tech"
  printf '%s\n' "$output"
}

create() {
  if [ "$turso_way" = cli ]; then
    code=0
    set -- db create "$name"
    [ -z "$turso_group" ] || set -- "$@" --group "$turso_group"
    output=$(turso_command "$@" 2>&1) || code=$?
    [ "$code" -eq 0 ] || {
      printf '%s\n' "$output" >&2
      cli_failed "create $name" "$code" "$output"
    }
    # What create prints is for people; whether it did anything is asked anew.
    case $output in *'not logged in'*) cli_failed "create $name" 0 "$output" ;; esac
    address_of
  else
    turso_api POST /databases "{\"name\":\"$name\",\"group\":\"${turso_group:-default}\"}"
    [ "$api_status" = 200 ] || api_failed "create $name"
    [ "$(api_field database.Name)" = "$name" ] || fail 76 "create $name: Turso's API answered for another database" \
      "look on turso.tech which databases are there"
    address_in_answer
  fi
  note "made the database $name"
}

token() {
  if [ "$turso_way" = cli ]; then
    case $expiration in
      never | *[0-9]d) ;;
      *) fail 64 "the turso command line takes whole days only, such as 1d" "set TURSO_VIA=api for other times" ;;
    esac
    set -- db tokens create "$name" --expiration "$expiration"
    [ -z "$read_only" ] || set -- "$@" --read-only
    code=0
    output=$(turso_command "$@") || code=$?
    # It is not shown, whatever it is.
    if [ "$code" -ne 0 ] || ! valid_token "$output"; then explain_failure "token for $name"; fi
  else
    authorization=full-access
    [ -z "$read_only" ] || authorization=read-only
    turso_api POST "/databases/$name/auth/tokens?expiration=$expiration&authorization=$authorization" ''
    [ "$api_status" = 200 ] || api_failed "token for $name"
    output=$(api_field jwt)
    valid_token "$output" || fail 76 "token for $name: Turso's API gave none" "try again"
  fi
  if [ -n "$file" ]; then
    umask 077
    { printf '%s\n' "$output" >"$file.new.$$" && mv -f -- "$file.new.$$" "$file"; } ||
      { rm -f -- "$file.new.$$" && fail 74 "cannot write $file" "check its folder"; }
    note "token for $name written to $file (valid: $expiration)"
  else
    [ ! -t 1 ] || fail 64 "a token is not shown on a terminal" "give a file: ./taskw turso:db:token -- $name FILE"
    printf '%s\n' "$output"
  fi
}

# is_there: status 0 if the database exists, 1 if it certainly does not; anything else ends the script.
is_there() {
  if [ "$turso_way" = cli ]; then
    list_names >/dev/null # for its errors, which a pipeline would hide
    list_names | grep -qxF -- "$name"
  else
    turso_api GET "/databases/$name"
    case $api_status in
      200) return 0 ;;
      404) return 1 ;;
      *) api_failed "$name" ;;
    esac
  fi
}

# list_names: the names of all databases, one per line.
list_names() {
  if [ "$turso_way" = cli ]; then
    code=0
    output=$(turso_command db list) || code=$?
    # No database: no output at all. Anything else begins with a line of headings.
    case $code:$output in
      0: | 0:NAME*) ;;
      *) cli_failed "list databases" "$code" "$output" ;;
    esac
    printf '%s\n' "$output" | awk 'NR > 1 && NF > 1 { print $1 }'
  else
    cursor='' pages=0
    while :; do
      turso_api GET "/databases?limit=100${cursor:+&cursor=$cursor}"
      [ "$api_status" = 200 ] || api_failed "list databases"
      printf '%s' "$api_body" | python3 "$scripts/lib/json-field.py" 'databases[].Name' ||
        fail 76 "list databases: Turso's API gave no list" "try again"
      cursor=$(api_field pagination.next)
      pages=$((pages + 1))
      case $cursor in '' | *[!A-Za-z0-9._=-]*) break ;; esac
      [ "$pages" -lt 100 ] || fail 76 "list databases: more than 10000" "remove some by hand"
    done
  fi
}

confirm() {
  case $name in "$turso_prefix"[0-9]*) return ;; esac
  [ -z "$yes" ] || return 0
  [ -t 0 ] || fail 64 "$name is not a database of the tests ($turso_prefix...): destroying it has to be confirmed" \
    "run ./taskw turso:db:destroy -- $name --yes"
  printf 'The database %s and everything in it will be lost. Type its name: ' "$name" >&2
  read -r answer
  [ "$answer" = "$name" ] || fail 64 "the names differ: nothing was done"
}

destroy() {
  if ! is_there; then
    [ -z "$if_there" ] || return 0
    fail 66 "there is no database $name" "check the name, TURSO_ORG, and who is logged in"
  fi
  confirm
  if [ "$turso_way" = cli ]; then
    code=0
    output=$(turso_command db destroy "$name" --yes 2>&1) || code=$?
    [ "$code" -eq 0 ] || {
      printf '%s\n' "$output" >&2
      cli_failed "destroy $name" "$code" "$output"
    }
  else
    turso_api DELETE "/databases/$name"
    case $api_status in 200 | 404) ;; *) api_failed "destroy $name" ;; esac
  fi
  # What was promised is looked at: it takes a moment to be true, and is sometimes not.
  tries=${TURSO_DESTROY_CHECKS:-10}
  while is_there; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail 1 "$name is still there although Turso said that it destroyed it" \
      "destroy it on turso.tech, or check its delete protection"
    sleep 1
  done
  note "destroyed the database $name"
}

# Names of tests end with the time they were made, so that a sweep leaves alone what runs now.
sweep() {
  now=$(date +%s) age=${TURSO_SWEEP_AGE_SECS:-7200} failed=0 swept=0
  case $age in '' | *[!0-9]*) fail 64 "TURSO_SWEEP_AGE_SECS is not a number of seconds" ;; esac
  names=$(list_names)
  for name in $names; do
    case $name in "$turso_prefix"[0-9]*) ;; *) continue ;; esac
    made=${name#"$turso_prefix"}
    made=${made%%-*}
    case $made in [1-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]) ;; *) continue ;; esac
    [ $((now - made)) -ge "$age" ] || continue
    if [ -n "$dry_run" ]; then
      note "would destroy $name, $(((now - made) / 3600)) h old"
    elif (if_there=yes && destroy); then
      swept=$((swept + 1))
    else
      failed=$((failed + 1))
    fi
  done
  note "$swept left-over databases destroyed, $failed could not be"
  [ "$failed" -eq 0 ] || exit 1
}

case $command in
  create) create ;;
  url) address_of ;;
  token) token ;;
  destroy) destroy ;;
  sweep) sweep ;;
esac
