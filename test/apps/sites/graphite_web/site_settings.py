import os

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET_KEY = "s" * 50
ALLOWED_HOSTS = ["*"]
TIME_ZONE = "UTC"
LOG_ROTATION = False
GRAPHITE_ROOT = "/usr/share/graphite-web"
STATIC_ROOT = "/usr/share/graphite-web/static"
CONF_DIR = "/etc/graphite"
STORAGE_DIR = os.path.join(HERE, "storage")
LOG_DIR = os.path.join(HERE, "log")
INDEX_FILE = os.path.join(STORAGE_DIR, "search_index")
WHISPER_DIR = os.path.join(STORAGE_DIR, "whisper")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3",
                         "NAME": os.path.join(HERE, "graphite.db")}}
