"""The callable that the loader takes from a startup file: PassengerAppCallable."""

import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../lib/passenger/python"))

from mod_passenger import frames, log  # noqa: E402
from mod_passenger.app_loader import AppLoader  # noqa: E402

STARTUP_FILE = """
class Web:
    def __init__(self, name):
        self.name = name
    def __call__(self, environ, start):
        return self.name

application = Web("application")
app = Web("app")
app.inner = Web("app.inner")
app.inner.make = lambda: Web("app.inner.make()")
number = 5
nothing = None

def create_app():
    return Web("create_app()")

def create_nothing():
    return None
"""


class Control:
    """The frames that the loader sends."""

    def __init__(self):
        self.frames = []

    def write(self, *fields):
        self.frames.append(fields)

    def failure(self):
        """Class and message."""
        return self.frames[-1][2], self.frames[-1][3].decode()


class AppLoaderTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.forget_modules, set(sys.modules))
        before = dict(os.environ), os.getcwd(), sys.path[:], sys.argv, log.write, sys.dont_write_bytecode
        self.addCleanup(self.restore, *before)
        log.write = lambda text: None
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        self.control = Control()

    def forget_modules(self, before):
        for name in set(sys.modules) - before:
            del sys.modules[name]

    def restore(self, environment, folder, path, arguments, write, bytecode):
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:] = path
        sys.argv, log.write, sys.dont_write_bytecode = arguments, write, bytecode

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def load(self, text, **options):
        """The Application, or None."""
        self.write(options.get("startup_file", "app.py"), text)
        return AppLoader(self.control, {"app_root": self.folder, "startup_file": "app.py", "app_type": "wsgi",
                                        **options}).load()

    def loaded(self, name):
        application = self.load(STARTUP_FILE, app_callable=name)
        self.assertIsNotNone(application, name)
        return application._function(None, None)

    def failure(self, text, name):
        self.assertIsNone(self.load(text, app_callable=name), name)
        self.assertEqual(frames.FAILED, self.control.frames[-1][0])
        return self.control.failure()

    def test_names_attributes_and_functions_that_make_the_application(self):
        for name in ("application", "app", "app.inner", "create_app()", "app.inner.make()"):
            self.assertEqual(name, self.loaded(name))

    def test_a_name_with_a_colon_is_in_a_module_and_no_startup_file_is_loaded(self):
        self.write("colon_package/web.py", STARTUP_FILE)
        for name in ("app", "app.inner", "create_app()"):
            application = self.load("raise ValueError", app_callable="colon_package.web:" + name)
            self.assertIsNotNone(application, self.control.frames[-1])
            self.assertEqual(name, application._function(None, None))
        self.assertEqual(("AttributeError", 'the module colon_package.web defines no "web". It defines "application": '
                          "PassengerAppCallable colon_package.web:application"),
                         self.failure("raise ValueError", "colon_package.web:web"))
        self.assertEqual(("ModuleNotFoundError", "No module named 'no_package' (in %s)" % sys.executable),
                         self.failure("raise ValueError", "no_package:app"))

    def test_without_a_name_it_is_application(self):
        self.assertEqual("application", self.load(STARTUP_FILE)._function(None, None))
        self.assertEqual("application", self.loaded(""))

    def test_a_name_that_is_not_there_is_reported_with_the_file_and_the_remedy(self):
        for name in ("web", "nothing", "app.web", "nothing.app", "web()", "create_app(1)", "()", "create_app()()"):
            kind, message = self.failure(STARTUP_FILE, name)
            self.assertEqual("AttributeError", kind)
            self.assertEqual('%s/app.py defines no "%s". It defines "application": PassengerAppCallable application'
                             % (self.folder, name), message)

    def test_the_remedy_names_what_the_file_has(self):
        for text, remedy in (("app = print", '. It defines "app": PassengerAppCallable app'),
                             ("create_app = print", '. It defines "create_app": PassengerAppCallable create_app()'),
                             ("app = 5", ". Define it, for example: application = Flask(__name__), or name another "
                                         "one by PassengerAppCallable")):
            self.assertEqual('%s/app.py defines no "application"%s' % (self.folder, remedy),
                             self.failure(text, "application")[1])

    def test_what_cannot_be_called_is_reported(self):
        for name, value in (("number", "5"), ("create_nothing()", "None")):
            self.assertEqual(("TypeError", 'the "%s" of %s/app.py is %s, which cannot be called'
                              % (name, self.folder, value)), self.failure(STARTUP_FILE, name))

    def test_an_error_of_the_function_is_the_applications(self):
        self.assertEqual(("ValueError", "no settings"),
                         self.failure("def create_app():\n    raise ValueError('no settings')\n", "create_app()"))

    def test_an_application_that_no_request_can_call_is_reported_at_the_start(self):
        for text, kind, part in (
                ("def application(environ): pass", "wsgi", "takes (environ), which cannot be called with (environ, "
                                                           "start_response), as WSGI does"),
                ("def application(scope, receive, send, more): pass", "wsgi", "as WSGI does"),
                ("async def application(environ, start_response): pass", "wsgi", "as ASGI does"),
                ("async def application(scope): pass", "asgi", "which cannot be called with (scope, receive, send)"),
                ("class App:\n    def __call__(self): pass\napplication = App()", "wsgi", "takes (), which"),
                ("class App:\n    async def __call__(self, scope): pass\napplication = App()", "asgi", "(scope), "),
                ("class application:\n    def __call__(self, environ, start_response): pass", "wsgi", "takes (), "),
                ("class application:\n    def __init__(self, settings): pass", "wsgi", "takes (settings), "),
                ("class application:\n    async def __call__(self, scope, receive, send): pass", "asgi",
                 "takes (), ")):
            self.control.frames.clear()
            self.assertIsNone(self.load(text, app_type=kind), text)
            kind, message = self.control.failure()
            self.assertEqual("TypeError", kind)
            self.assertIn('the "application" of %s/app.py takes (' % self.folder, message)
            self.assertIn(part, message)

    def test_what_takes_three_arguments_and_not_two_is_asgi(self):
        decorated = ("import functools\n%s\n@functools.wraps(inner)\ndef application(*arguments, **names):\n"
                     "    return inner(*arguments, **names)")
        for text in ("def application(scope, receive, send): pass",
                     "def application(scope, receive, send, extra=None): pass",
                     "class App:\n    def __call__(self, scope, receive, send): pass\napplication = App()",
                     "class application:\n    def __init__(self, scope, receive, send): pass",
                     decorated % "async def inner(scope, receive, send): pass",
                     "import functools\nasync def f(settings, scope, receive, send): pass\n"
                     "application = functools.partial(f, {})"):
            application = self.load(text)
            self.assertIsNotNone(application, text)
            self.assertEqual("asgi", application.form, text)
        for text in (decorated % "def inner(environ, start_response): pass",
                     "def application(environ, start_response, extra=None): pass",
                     "import functools\ndef inner(a, b, c): pass\n@functools.wraps(inner)\n"
                     "def application(environ, start_response): pass", "application = print",
                     "import functools\ndef inner(db, environ, start_response): pass\n@functools.wraps(inner)\n"
                     "def application(*arguments): return inner('db', *arguments)",
                     "class Proxy:\n    def __call__(self, environ, start_response): pass\n"
                     "    def __getattr__(self, name): raise RuntimeError(name)\napplication = Proxy()"):
            self.assertEqual("wsgi", self.load(text).form, text)

    def test_annotations_for_type_checkers_hide_no_asgi(self):
        # Python 3.14 evaluates no annotation until somebody asks for it.
        begin = "" if sys.version_info >= (3, 14) else "from __future__ import annotations\n"
        for text in ("class App:\n    def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: pass\n"
                     "application = App()", "def application(scope: Scope, receive: Receive, send: Send): pass"):
            self.assertEqual("asgi", self.load(begin + text).form, text)

    def test_parameters_that_are_not_known_surely_are_no_failure(self):
        for text in ("application = print", "application = dict", "def application(*arguments, **names): pass",
                     "def application(environ, start_response, extra=None): pass",
                     "import functools\ndef inner(x): pass\n@functools.wraps(inner)\n"
                     "def application(environ, start_response): pass",
                     "class application:\n    def __init__(self, environ, start_response): pass",
                     "class application(dict): pass",
                     "class application:\n    def __new__(cls, environ, start_response): pass",
                     "class Meta(type):\n    def __call__(cls, environ, start_response): pass\n"
                     "class application(metaclass=Meta): pass",
                     "def application(x): pass\napplication.__signature__ = None",
                     "class App:\n    @staticmethod\n    def __call__(environ, start_response): pass\n"
                     "application = App()",
                     "def application(environ: 'Unknown', start_response=None): pass",
                     "import functools\ndef f(settings, environ, start_response): pass\n"
                     "application = functools.partial(f, {})"):
            self.assertIsNotNone(self.load(text), text)

    def name_of(self, startup_file, text="", **options):
        """The name of the startup file's module."""
        text += "\ndef application(environ, start_response): return __name__"
        application = self.load(text, startup_file=startup_file, **options)
        self.assertIsNotNone(application, self.control.frames[-1])
        return application._function(None, None)

    def test_other_modules_import_the_startup_file_by_its_name(self):
        self.write("models.py", "from app import db\nclass User: pass\n")
        self.assertEqual("app", self.name_of("app.py", "db = 1\nfrom models import User\n"))
        self.assertIs(sys.modules["app"], sys.modules["passenger_wsgi"])

    def test_a_file_that_cannot_be_imported_by_its_name_is_passenger_wsgi(self):
        self.write("shop/__init__.py", "")
        for name in "passenger_wsgi.py", "os.py", "shop.py", "my.app.py", "start.wsgi":
            self.assertEqual("passenger_wsgi", self.name_of(name), name)

    def test_the_package_of_a_startup_file_is_imported_before_it(self):
        self.write("shop_package/__init__.py", "settings = 1\n")
        text = "import shop_package\nsettings = shop_package.settings\n"
        self.assertEqual("shop_package.wsgi", self.name_of("shop_package/wsgi.py", text))
        self.assertIs(sys.modules["shop_package.wsgi"], sys.modules["shop_package"].wsgi)

    def test_a_startup_file_that_its_package_imports_runs_once(self):
        self.write("own_package/__init__.py", "runs = []\nfrom . import wsgi\n")
        self.name_of("own_package/wsgi.py", "from own_package import runs\nruns.append(1)\n")
        self.assertEqual([1], sys.modules["own_package"].runs)

    def test_a_startup_file_that_starts_another_python_is_refused_with_the_remedy(self):
        before = os.execv, os.execve
        for call in "os.execl(INTERP, INTERP, *sys.argv)", "os.execve(INTERP, [INTERP, *sys.argv], {})":
            text = "import os, sys\nINTERP = '/venv/bin/python'\nif sys.executable != INTERP: " + call
            kind, message = self.failure(text, "application")
            self.assertEqual("RuntimeError", kind)
            self.assertTrue(message.endswith("PassengerPython /venv/bin/python"), message)
        self.assertEqual(before, (os.execv, os.execve))

    def test_a_startup_file_may_fork_and_start_another_program(self):
        text = "import os\nif not os.fork(): os.execl('/bin/true', 'true')\nstatus = os.wait()[1]\n"
        self.assertEqual("app", self.name_of("app.py", text + "assert status == 0"))


if __name__ == "__main__":
    unittest.main()
