"""Loads the application that the Options describe, and reports each step on the control socket."""

import importlib.machinery
import importlib.util
import os
import re
import sys
from contextlib import contextmanager
from time import monotonic

from . import failure, frames
from .application import Application

_ENVIRONMENT_NAMES = ("RAILS_ENV", "RACK_ENV", "NODE_ENV", "WSGI_ENV", "PASSENGER_APP_ENV")
# Variables that a login shell sets for itself.
_SHELL_VARIABLES = ("_", "OLDPWD", "SHLVL")
_VARIABLE = "env:"
_MODULE = "passenger_wsgi"
_SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")


class AppLoader:
    def __init__(self, control, options):
        self._control = control
        self._options = options

    def load(self):
        """Returns the Application. None: it cannot be loaded, and the failure is reported."""
        steps = [("working directory", self._prepare_environment), ("app loaded", self._load_application)]
        application = None
        for name, step in steps:
            begin = monotonic()
            self._tell(name, "begin", begin)
            try:
                application = step()
            except BaseException as error:
                # SystemExit, too: a process whose application ends it must report that.
                self._tell(name, "failed", begin)
                failure.report(self._control, "app.load_failed", name, error)
                return None
            self._tell(name, "done", begin)
        return application

    def _prepare_environment(self):
        options = self._options
        if options.get("environment"):
            for name in _ENVIRONMENT_NAMES:
                os.environ[name] = options["environment"]
        base_uri = options.get("base_uri", "").rstrip("/")
        if base_uri:
            os.environ["PASSENGER_BASE_URI"] = base_uri
        for name, value in options.items():
            if name.startswith(_VARIABLE):
                os.environ[name[len(_VARIABLE) :]] = value
        for name in _SHELL_VARIABLES:
            os.environ.pop(name, None)
        os.chdir(options["app_root"])
        os.environ["PWD"] = os.getcwd()

    def _load_application(self):
        # As of gunicorn and uvicorn: module:attribute.
        module_name, _, name = (self._options.get("app_callable") or "application").rpartition(":")
        place, module = self._import(module_name) if module_name else self._load_startup_file()
        application = _callable_of(module, place, name, module_name)
        if not callable(application):
            raise TypeError('the "%s" of %s is %r, which cannot be called' % (name, place, application))
        loaded = Application(application, self._options.get("app_type"), int(self._options.get("thread_count", 1)))
        if loaded.misfit:
            raise TypeError('the "%s" of %s %s' % (name, place, loaded.misfit))
        return loaded

    def _import(self, name):
        """The module, and what messages call it."""
        folder = os.getcwd()
        self._prepare_imports(folder, folder)
        with _exec_refused():
            return "the module " + name, importlib.import_module(name)

    def _load_startup_file(self):
        """The module, and what messages call it."""
        path = os.path.abspath(self._options.get("startup_file") or "passenger_wsgi.py")
        if os.path.basename(path) == "manage.py":
            path = _django_file(path, "asgi.py" if self._options.get("app_type") == "asgi" else "wsgi.py")
        name, folder = _place_of(path)
        self._prepare_imports(path, folder)
        with _exec_refused():
            return path, _imported(name, path)

    def _prepare_imports(self, path, folder):
        _prepare_imports(path, folder, self._options.get("environment") == "development")

    def _tell(self, name, state, begin):
        self._control.write(frames.STEP, name, state, int((monotonic() - begin) * 1000))


class _StartupFileLoader(importlib.machinery.SourceFileLoader):
    """Compiles the file each time. Python's cache misses a change within a second that keeps the
    file's size."""

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)


@contextmanager
def _exec_refused():
    """Startup files of virtual environments often go on in another Python (`os.execl(INTERP,
    INTERP, *sys.argv)`). It would not have the agent's messages."""
    own = os.getpid()
    originals = os.execv, os.execve

    def refusing(original):
        def execute(program, *arguments):
            if os.getpid() != own:
                original(program, *arguments)
            raise RuntimeError("the startup file puts %s in place of this process. Remove these lines, and name "
                               "that Python in httpd's configuration: PassengerPython %s" % (program, program))
        return execute

    os.execv, os.execve = map(refusing, originals)
    try:
        yield
    finally:
        os.execv, os.execve = originals


def _imported(name, path):
    """The startup file, under the name by which other modules of the application import it. A file
    that cannot be imported by its name is `passenger_wsgi`."""
    parent, _, child = name.rpartition(".")
    if not parent and not _is_found(name, path):
        name = _MODULE
    if parent:
        package = importlib.import_module(parent)
        # The package itself may have imported it.
        present = sys.modules.get(name)
        if present is not None and _is_same(getattr(present, "__file__", None), path):
            return present
    # The file name may end with anything; the content is Python.
    loader = _StartupFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # Phusion's name for each startup file: pickles of former versions may have it.
    sys.modules.setdefault(_MODULE, module)
    loader.exec_module(module)
    if parent:
        setattr(package, child, module)
    return module


def _is_found(name, path):
    """Whether `import name` finds this file, and not a package beside it or a module of Python."""
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        return False
    return spec is not None and _is_same(spec.origin, path)


def _is_same(one, other):
    return one is not None and os.path.realpath(one) == os.path.realpath(other)


def _callable_of(module, place, name, module_name):
    """What the module calls the application: `app`, an attribute as `web.app`, or what
    `create_app()` returns. `module_name`: empty for the startup file."""
    attribute, is_called = (name[:-2], True) if name.endswith("()") else (name, False)
    found = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise AttributeError('%s defines no "%s". %s' % (place, name, _remedy_of(module, module_name)))
    return found() if is_called else found


def _remedy_of(module, module_name):
    for name in ("application", "app", "create_app"):
        if callable(getattr(module, name, None)):
            shown = (module_name and module_name + ":") + name + "()" * (name == "create_app")
            return 'It defines "%s": PassengerAppCallable %s' % (name, shown)
    return "Define it, for example: application = Flask(__name__), or name another one by PassengerAppCallable"


def _django_file(manage, name):
    """The wsgi.py or asgi.py of a Django project: in the package of its settings, or above it."""
    with open(manage, encoding="utf-8", errors="replace") as file:
        settings = _SETTINGS.search(file.read())
    package = settings.group(1).split(".")[:-1] if settings else []
    while package:
        path = os.path.join(os.path.dirname(manage), *package, name)
        if os.path.isfile(path):
            return path
        del package[-1]
    raise FileNotFoundError(
        "%s leads to no %s: name that file by PassengerStartupFile, or write a passenger_wsgi.py" % (manage, name))


def _place_of(path):
    """The name of the module and the folder from which it is imported. A file of a package below
    the application's folder, such as Django's mysite/wsgi.py, is imported from the folder above the
    package."""
    name = os.path.splitext(os.path.basename(path))[0].replace(".", "_")
    folder = os.path.dirname(path)
    while os.path.realpath(folder) != os.getcwd() and os.path.isfile(os.path.join(folder, "__init__.py")):
        name = "%s.%s" % (os.path.basename(folder), name)
        folder = os.path.dirname(folder)
    return name, folder


def _prepare_imports(path, folder, in_development):
    """The application's folder takes the place of the loader's, as if Python had started the
    file."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [one for one in sys.path if os.path.realpath(one) != os.path.realpath(own)]
    sys.path[:0] = [folder] if folder == os.getcwd() else [folder, os.getcwd()]
    # Last: an application may have a package `passenger` of its own.
    sys.path.append(os.path.join(own, "public"))
    sys.argv = [path]
    # As for the startup file: a developer's change must not be missed.
    sys.dont_write_bytecode = sys.dont_write_bytecode or in_development
