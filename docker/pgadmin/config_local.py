# pgAdmin's settings in its container. It asks for a password, keeps what it keeps in /data, and calls nobody.
SERVER_MODE = True
DATA_DIR = "/data"
SQLITE_PATH = "/data/pgadmin4.db"
SESSION_DB_PATH = "/data/sessions"
STORAGE_DIR = "/data/storage"
AZURE_CREDENTIAL_CACHE_DIR = "/data/azure"
KERBEROS_CCACHE_DIR = "/data/kerberos"
LOG_FILE = "/data/pgadmin4.log"
LOG_ROTATION_SIZE = 10
LOG_ROTATION_MAX_LOG_FILES = 2
MASTER_PASSWORD_REQUIRED = False
UPGRADE_CHECK_ENABLED = False
SHOW_GRAVATAR_IMAGE = False
ENABLE_PSQL = False
CHECK_EMAIL_DELIVERABILITY = False
ALLOW_SPECIAL_EMAIL_DOMAINS = ["local"]
