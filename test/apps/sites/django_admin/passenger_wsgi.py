import os
from pathlib import Path
from django.conf import settings

here = Path(__file__).parent
templates = {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
             "OPTIONS": {"context_processors": [
                 "django.template.context_processors.request",
                 "django.contrib.auth.context_processors.auth",
                 "django.contrib.messages.context_processors.messages"]}}
settings.configure(
    SECRET_KEY="s" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF="urls", STATIC_URL="/static/",
    STATIC_ROOT=str(here / "public/static"), TEMPLATES=[templates], USE_TZ=True,
    SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                           "NAME": str(here / "db.sqlite3")}},
    INSTALLED_APPS=["django.contrib." + name for name in (
        "admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware"])
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
