# shellcheck shell=sh disable=SC2154 # scripts is set by who reads this file
# Turso from shell scripts: which way it is asked, names and answers that are checked. Needs messages.sh and $scripts.
#
# Nothing that Turso prints is believed: its command line ends with 0 and prose when nobody is logged in, and when a
# database that it was told to destroy is still there. The platform token is in no argument and in the environment of
# nobody but the `turso` command line: curl reads it from standard input.

turso_default_base=https://api.turso.tech

# turso_begin: reads the environment; an empty variable counts as unset. Sets turso_base, turso_org, turso_group,
# turso_prefix and turso_seconds, and takes the secrets out of the environment of what is started.
turso_begin() {
  turso_token=${TURSO_API_TOKEN:-${TURSO_PLATFORM_TOKEN:-}}
  if [ -z "$turso_token" ] && [ -n "${TURSO_API_TOKEN_FILE:-}" ]; then
    turso_token=$(cat -- "$TURSO_API_TOKEN_FILE") ||
      fail 66 "the file of TURSO_API_TOKEN_FILE cannot be read (the message is above)" "check its name and its rights"
    case $(stat -L -c %a -- "$TURSO_API_TOKEN_FILE") in
      *00) ;;
      *) fail 77 "others can read the file of TURSO_API_TOKEN_FILE" "chmod 600 '$TURSO_API_TOKEN_FILE'" ;;
    esac
  fi
  unset TURSO_API_TOKEN TURSO_PLATFORM_TOKEN TURSO_AUTH_TOKEN TURSO_ENCRYPTION_KEY TURSO_REMOTE_ENCRYPTION_KEY
  case $turso_token in
    *[!A-Za-z0-9._~+/=-]*)
      fail 77 "the platform token has characters that no token has" "copy TURSO_API_TOKEN again, without quotes or blanks"
      ;;
  esac
  turso_base=${TURSO_API_BASEURL:-$turso_default_base}
  turso_base=${turso_base%/}
  turso_org=${TURSO_ORG:-${TURSO_ORGANIZATION:-}}
  turso_group=${TURSO_GROUP:-}
  turso_prefix=${TURSO_TEST_DB_PREFIX:-albergue-ci-}
  turso_seconds=${TURSO_API_TIMEOUT_SECS:-60}
  case $turso_seconds in
    '' | *[!0-9]* | 0* | ?????*) fail 64 "TURSO_API_TIMEOUT_SECS is not a number of seconds from 1 to 9999" ;;
  esac
  # Plain HTTP would show the token to everybody on the way; for this machine only it is what the tests use.
  turso_is_local=''
  case $turso_base in
    https://*) ;;
    http://127.0.0.1:* | http://localhost:*) turso_is_local=yes ;;
    *) fail 64 "TURSO_API_BASEURL must begin with https://" "unset it, or correct it" ;;
  esac
  case ${turso_base#*://} in
    '' | *[!A-Za-z0-9.:/_-]*) fail 64 "TURSO_API_BASEURL is not an address" "unset it, or correct it" ;;
  esac
  for turso_word in "$turso_org" "$turso_group" "$turso_prefix"; do
    case $turso_word in
      *[!A-Za-z0-9_-]*) fail 64 "TURSO_ORG, TURSO_GROUP and TURSO_TEST_DB_PREFIX are of letters, digits and dashes" ;;
    esac
  done
}

# turso_program: prints the path of the `turso` command line; status 1 if there is none.
turso_program() {
  command -v turso 2>/dev/null && return
  [ -x "${HOME:-/nonexistent}/.turso/turso" ] && printf '%s\n' "$HOME/.turso/turso"
}

# turso_way: sets turso_way to cli or api, or fails with what is missing. TURSO_VIA chooses where both would do.
turso_way() {
  turso_cli=$(turso_program) || turso_cli=''
  case ${TURSO_VIA:-} in
    '') if [ -n "$turso_cli" ]; then turso_way=cli; else turso_way=api; fi ;;
    cli | api) turso_way=$TURSO_VIA ;;
    *) fail 64 "TURSO_VIA is neither cli nor api" "unset it to take the command line where it is installed" ;;
  esac
  if [ "$turso_way" = cli ]; then
    [ -n "$turso_cli" ] || fail 69 "the turso command line is not installed" "install it, or set TURSO_VIA=api"
    return
  fi
  command -v curl >/dev/null 2>&1 || fail 69 "curl is not installed" "run ./taskw deps:judges"
  if [ -z "$turso_token" ] || [ -z "$turso_org" ]; then
    fail 77 "there is no turso command line, and no access to Turso's API" \
      "set TURSO_API_TOKEN (turso auth api-tokens mint NAME) and TURSO_ORG, the organisation's short name"
  fi
}

# configured_request METHOD ADDRESS TOKEN SECONDS [BODY]: one request of curl, which reads everything that matters from
# standard input. Prints the body, a line break and the status. Status: that of curl.
configured_request() {
  {
    printf 'url = "%s"\nrequest = "%s"\n' "$2" "$1"
    [ -z "$3" ] || printf 'header = "Authorization: Bearer %s"\n' "$3"
    if [ $# -gt 4 ]; then
      printf 'header = "Content-Type: application/json"\n'
      printf 'data = "%s"\n' "$(printf '%s' "$5" | sed 's/[\\"]/\\&/g')"
    fi
  } | curl -q --config - --silent --show-error --globoff --proto '=http,https' --max-redirs 0 \
    --connect-timeout 10 --max-time "$4" --write-out '\n%{http_code}'
}

# turso_api METHOD PATH [BODY]: asks the Platform API. Sets api_status (000 if there was no answer) and api_body.
turso_api() {
  api_method=$1 api_path=/v1/organizations/$turso_org$2
  shift 2
  if api_answer=$(configured_request "$api_method" "$turso_base$api_path" "$turso_token" "$turso_seconds" "$@"); then
    api_status=$(printf '%s' "$api_answer" | tail -n 1)
    api_body=$(printf '%s' "$api_answer" | sed '$d')
  else
    api_status=000 api_body=''
  fi
  api_answer=''
}

# api_field PATH: a field of the answer; empty when it is not there.
api_field() {
  printf '%s' "$api_body" | python3 "$scripts/lib/json-field.py" "$1" || true
}

# api_failed WHAT: ends the script with what the answer means.
api_failed() {
  # The server's own words, without what would be a secret of ours.
  api_words=$(api_field error | cut -c 1-200)
  case $api_words in *"$turso_token"*) api_words='' ;; esac
  api_words=${api_words:+: $api_words}
  case $api_status in
    000) fail 69 "$1: Turso's API did not answer within $turso_seconds s, or cannot be reached (curl's message is above)" \
      "check the network; TURSO_API_TIMEOUT_SECS sets the time" ;;
    401) fail 77 "$1: Turso does not accept the platform token$api_words" "make a new one: turso auth api-tokens mint NAME" ;;
    402) fail 77 "$1: the plan does not allow it$api_words" "remove left-overs with ./taskw turso:db:sweep, or change the plan" ;;
    403) fail 77 "$1: the platform token has no right to it$api_words" "check TURSO_ORG and the token's scope" ;;
    404) fail 66 "$1: not found$api_words" "check the name, TURSO_ORG and TURSO_GROUP" ;;
    409 | 422) fail 73 "$1: the name is taken, or not allowed$api_words" "choose another name" ;;
    429 | 5??) fail 69 "$1: Turso's API answers with $api_status$api_words" "try again later" ;;
    *) fail 76 "$1: Turso's API answers with $api_status$api_words" "look at status.turso.tech" ;;
  esac
}

# turso_command ARGUMENT...: runs the `turso` command line without a terminal and with a time limit. Its standard output
# goes to standard output.
turso_command() {
  if [ -n "$turso_token" ]; then
    TURSO_API_TOKEN=$turso_token timeout "$turso_seconds" "$turso_cli" "$@" </dev/null
  else
    timeout "$turso_seconds" "$turso_cli" "$@" </dev/null
  fi
}

# cli_failed WHAT STATUS OUTPUT: ends the script with what the command line meant.
cli_failed() {
  case $3 in
    *'not logged in'* | *'no user logged in'*)
      fail 77 "$1: nobody is logged in to Turso" "run turso auth login, or set TURSO_API_TOKEN" ;;
    *'is not available'* | *'already exists'*) fail 73 "$1: the name is taken" "choose another name" ;;
  esac
  [ "$2" -ne 124 ] || fail 69 "$1: the turso command line did not end within $turso_seconds s" \
    "check the network; TURSO_API_TIMEOUT_SECS sets the time"
  [ "$2" -ne 0 ] || fail 76 "$1: the turso command line ended with 0, but did not print what it should" \
    "run it by hand; if it prints something new, this script has to learn it"
  fail 69 "$1: the turso command line ended with $2 (its messages are above)" "correct what it says"
}

# valid_name NAME: what Turso allows for a database.
valid_name() {
  case $1 in
    '' | *[!a-z0-9-]* | -* | *-) return 1 ;;
  esac
  [ "${#1}" -le 64 ]
}

# valid_url TEXT: one libsql:// address of a host, nothing else. For a stand-in on this machine also http://127.0.0.1:PORT.
valid_url() {
  case $1 in
    libsql://*) valid_rest=${1#libsql://} ;;
    http://127.0.0.1:*) [ -n "$turso_is_local" ] && valid_rest=${1#http://127.0.0.1:} || return 1 ;;
    *) return 1 ;;
  esac
  case $valid_rest in
    '' | *[!A-Za-z0-9.:-]*) return 1 ;;
  esac
}

# valid_token TEXT: three parts of base64url with dots between them.
valid_token() {
  case $1 in
    *[!A-Za-z0-9._-]* | *.*.*.* | .* | *..* | *.) return 1 ;;
    *.*.*) return 0 ;;
    *) return 1 ;;
  esac
}
