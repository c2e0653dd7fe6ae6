// The one SQLite of every process of this project: SQLCipher from the system.
#ifndef CSQLCIPHER_H
#define CSQLCIPHER_H

// sqlite3.h declares sqlite3_key_v2 only with this; pkg-config does not set it.
#define SQLITE_HAS_CODEC 1
#include <sqlcipher/sqlite3.h>

#if SQLITE_VERSION_NUMBER < 3046000
#error "libsqlcipher 4.6 or newer (SQLite 3.46) is needed; run ./taskw deps:install"
#endif

// Swift cannot call variadic functions; one function per option, with that option's exact type. Each sets the option,
// reads it back, and answers SQLITE_OK only when it has taken effect.
int CSQLCipher_db_config_no_checkpoint_on_close(sqlite3 *db, int on);
int CSQLCipher_db_config_defensive(sqlite3 *db, int on);
int CSQLCipher_db_config_trusted_schema(sqlite3 *db, int on);
int CSQLCipher_db_config_foreign_keys(sqlite3 *db, int on);

// SQLITE_TRANSIENT is a cast macro, which Swift does not import.
sqlite3_destructor_type CSQLCipher_transient(void);

#endif
