#include "CSQLCipher.h"

#define SET_AND_READ_BACK(db, option, on)                              \
  do {                                                                 \
    int state = -1;                                                    \
    int result = sqlite3_db_config((db), (option), (int)(on), &state); \
    if (result != SQLITE_OK) return result;                            \
    return state == !!(on) ? SQLITE_OK : SQLITE_ERROR;                 \
  } while (0)

int CSQLCipher_db_config_no_checkpoint_on_close(sqlite3 *db, int on) {
  SET_AND_READ_BACK(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
}

int CSQLCipher_db_config_defensive(sqlite3 *db, int on) {
  SET_AND_READ_BACK(db, SQLITE_DBCONFIG_DEFENSIVE, on);
}

int CSQLCipher_db_config_trusted_schema(sqlite3 *db, int on) {
  SET_AND_READ_BACK(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, on);
}

int CSQLCipher_db_config_foreign_keys(sqlite3 *db, int on) {
  SET_AND_READ_BACK(db, SQLITE_DBCONFIG_ENABLE_FKEY, on);
}

sqlite3_destructor_type CSQLCipher_transient(void) {
  return SQLITE_TRANSIENT;
}
