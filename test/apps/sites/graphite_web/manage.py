import os
import sys
import time

os.makedirs("storage/whisper/tea", exist_ok=True)
os.makedirs("log", exist_ok=True)
import passenger_wsgi  # noqa: E402,F401
from django.core.management import execute_from_command_line  # noqa: E402
import whisper  # noqa: E402

execute_from_command_line(["manage.py", "migrate", "-v0", "--run-syncdb"])
now = int(time.time())
whisper.create("storage/whisper/tea/cups.wsp", [(60, 1440)])
whisper.update_many("storage/whisper/tea/cups.wsp",
                    [(now - 60 * age, age) for age in range(1, 60)])
sys.exit(0)
