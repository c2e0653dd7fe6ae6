# shellcheck shell=sh disable=SC2154 # root, scratch and the functions come from run.sh
# The hostel database is valid, the same every time, and never overwrites anything.
hostel=$root/taskfiles/scripts/hostel-database.sh
ask() {
  sqlcipher -batch -init /dev/null "$scratch/the hostel.db" "$1"
}

check "the hostel of 2000 bookings is made" 0 "$(status sh "$hostel" "$scratch/the hostel.db" 2000)"
check "an existing file is refused" 73 "$(status sh "$hostel" "$scratch/the hostel.db" 2000)"
check "a size that is not a number is wrong usage" 64 "$(status sh "$hostel" "$scratch/other.db" '1; DROP')"
check "a folder that does not exist is an I/O error" 74 "$(status sh "$hostel" "$scratch/none/x.db" 10)"
check "one booking is enough" 0 "$(status sh "$hostel" "$scratch/one.db" 1)"
check "the same size gives the same bytes" 0 \
  "$(sh "$hostel" "$scratch/again.db" 2000 && status cmp "$scratch/the hostel.db" "$scratch/again.db")"
check "no unfinished file stays" "" "$(find "$scratch" -name '*.unfinished.*')"
check "only the owner can read it" "600" "$(stat -c %a "$scratch/the hostel.db")"

check "the file is sound" "ok" "$(ask 'PRAGMA integrity_check; PRAGMA foreign_key_check')"
check "nine tables and the tracker" "10" \
  "$(ask "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")"
check "eight written indexes and three automatic ones" "8|3" \
  "$(ask "SELECT sum(sql IS NOT NULL), sum(sql IS NULL) FROM sqlite_master WHERE type = 'index'")"
check "ten migrations are recorded" "10" "$(ask 'SELECT count(*) FROM seaql_migrations')"
check "beds, bookings and pilgrims are as many as they should be" "24|2000|1200" \
  "$(ask 'SELECT (SELECT count(*) FROM beds), (SELECT count(*) FROM bookings), (SELECT count(*) FROM pilgrims)')"
check "no two bookings of a bed overlap" "0" "$(ask 'SELECT count(*) FROM bookings a JOIN bookings b
  ON a.bed_assignment_id = b.bed_assignment_id AND a.id < b.id
  AND a.check_in_date < b.check_out_date AND b.check_in_date < a.check_out_date')"
check "nights are the difference of the dates, amounts are real numbers" "0" "$(ask "SELECT count(*) FROM bookings
  WHERE number_of_nights <> julianday(check_out_date) - julianday(check_in_date) OR typeof(total_amount) <> 'real'")"
check "encrypted columns have the shape iv:tag:ciphertext" "0" "$(ask "SELECT count(*) FROM pilgrims
  WHERE length(first_name_encrypted) < 50 OR first_name_encrypted NOT GLOB '????????????????:??????????????????????==:?*'
  OR address_street_encrypted GLOB '*' || char(10) || '*'")"
