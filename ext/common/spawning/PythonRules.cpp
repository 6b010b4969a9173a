#include "spawning/PythonRules.h"

namespace Passenger {

namespace {

/** `/srv/app/venv/bin/python -m pip install flask`: the loader's message names the interpreter. */
Finding missingModule(const FailureFacts &failure) {
    if (!isA(failure, {"ModuleNotFoundError"})) {
        return std::nullopt;
    }
    const Finding name = behind(failure.exceptionMessage, "No module named '", "'.");
    const Finding interpreter = behind(failure.exceptionMessage, " (in ", ")");
    return interpreter.value_or("python3") + " -m pip install " + name.value_or("MODULE");
}

/** `passenger_wsgi.py, line 2` in `invalid syntax (passenger_wsgi.py, line 2)`. */
Finding badSyntax(const FailureFacts &failure) {
    if (!isA(failure, {"SyntaxError", "IndentationError", "TabError"})) {
        return std::nullopt;
    }
    const std::string_view message = beginning(failure.exceptionMessage);
    const auto open = message.rfind('(');
    const auto close = message.rfind(')');
    return open != std::string_view::npos && close != std::string_view::npos && open < close
               ? std::string(message.substr(open + 1, close - open - 1))
               : "the application's code";
}

/** `'/srv/app/.env'` in `[Errno 13] Permission denied: '/srv/app/.env'`. */
Finding fileOf(const FailureFacts &failure, std::string_view exceptionClass) {
    return failure.exceptionClass == exceptionClass ? behind(failure.exceptionMessage, ": '", "'\n").value_or("a file")
                                                    : Finding();
}

/** `app` in `/srv/app/app.py defines no "app". …`. */
Finding missingCallable(const FailureFacts &failure) {
    return isA(failure, {"AttributeError"}) ? behind(failure.exceptionMessage, " defines no \"", "\"") : std::nullopt;
}

Finding missingVariable(const FailureFacts &failure) {
    return isA(failure, {"KeyError"}) && has(failure.exceptionMessage, "'") ? behind(failure.exceptionMessage, "'", "'")
                                                                            : std::nullopt;
}

/** Whether a start command has failed, which has a port of its own. */
bool raisedByCommand(const FailureFacts &failure) {
    return failure.step == "application listens";
}

constexpr DiagnosisRule RULES[] = {
    {[](const FailureFacts &f) { return when(f.step == "Python started"); },
     "The Python interpreter does not exist, or the application's user may not execute it (all folders above it need "
     "x).",
     "Set PassengerPython to the whole path, and run it as that user: PYTHON --version"},
    {[](const FailureFacts &f) { return when(shellFoundNoInterpreter(f)); },
     "The login shell of the application's user could not start the Python interpreter: it does not exist, or that "
     "user may not execute it.",
     "Set PassengerPython to the whole path, and run it as that user: PYTHON --version"},
    {missingModule, "A module is not installed for the Python that runs the application.",
     "Run, as the application's user: {} (a module of your own: check its path). Debian refuses that for its own "
     "/usr/bin/python3: make a virtualenv (python3 -m venv /srv/app/venv), or install Debian's package. If it is "
     "installed for another Python, such as that of a "
     "virtualenv, set PassengerPython to that one, for example /srv/app/venv/bin/python; in a start command, begin it "
     "so."},
    {badSyntax, "The file does not follow Python's grammar: {}. It may be written for a newer Python.",
     "Correct that line, or the line before it. Check with: python3 -m py_compile FILE. PassengerPython chooses the "
     "Python."},
    {missingCallable, "The startup file, or the module, has no object called {}.",
     "Define it, for example: application = Flask(__name__), or for Django: application = get_wsgi_application(). Or "
     "name the object that is there: PassengerAppCallable app, or web.app for an attribute, or create_app() for a "
     "function that makes the application."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "which cannot be called")); },
     "The object that PassengerAppCallable names (application by default) is no application.",
     "It must be a function of (environ, start_response) for WSGI, of (scope, receive, send) for ASGI, or an object "
     "that can be called like that."},
    {[](const FailureFacts &f) { return fileOf(f, "PermissionError"); },
     "The user that the application runs as has no permission for {}, or for a folder above it.",
     "Give the user that is named below the permission (chmod, chown). PassengerUser chooses another user."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "manage.py leads to no ")); },
     "The folder has a manage.py, as Django's projects have, but none of its settings' packages has the startup file.",
     "Name the file by PassengerStartupFile, or write a passenger_wsgi.py."},
    {[](const FailureFacts &f) { return fileOf(f, "FileNotFoundError"); }, "The file or folder does not exist: {}",
     "Check that it was deployed, and that its path fits the application's folder."},
    {missingVariable, "The application requires \"{}\", most likely an environment variable, and it is not set.",
     "Set it in httpd's configuration (SetEnv {} VALUE), and look at the environment below."},
    {[](const FailureFacts &f) { return when(isA(f, {"django.core.exceptions.ImproperlyConfigured"})); },
     "Django's settings are not found, or are not complete.",
     "See the message. Check DJANGO_SETTINGS_MODULE (SetEnv) and that the settings name all that they need."},
    {[](const FailureFacts &f) {
         return when(isA(
             f, {"ConnectionRefusedError", "django.db.utils.OperationalError", "psycopg2.OperationalError",
                 "psycopg.OperationalError", "sqlalchemy.exc.OperationalError", "redis.exceptions.ConnectionError"}));
     },
     "The application needs a database or another server while it loads, and cannot reach it.",
     "Check that the server runs, and that the application's settings have the right address and account."},
    {[](const FailureFacts &f) {
         return when(!raisedByCommand(f) && has(f.exceptionMessage, "Address already in use"));
     },
     "The application opens a port while it loads, and another process uses it. mod_passenger needs none.",
     "Start the server only below if __name__ == \"__main__\", and define application. A program that is a server of "
     "its own runs by PassengerAppStartCommand."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "There is no current event loop")); },
     "The application uses asyncio's event loop while it loads, and the loop does not run yet. Up to Python 3.13 "
     "get_event_loop() made a loop.",
     "Begin tasks in the lifespan's startup. Run a coroutine of the import by asyncio.run()."},
    {[](const FailureFacts &f) { return when(isA(f, {"MemoryError"})); },
     "The machine has too little memory, or a limit on memory is too low.",
     "Provide more memory, raise the limit (systemd: MemoryMax=, LimitAS=), or run fewer instances "
     "(PassengerMaxPoolSize)."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"NameError", "AttributeError", "TypeError", "ValueError", "ImportError"}));
     },
     "The application or one of its modules has an error, or a module has another version than the application "
     "expects.",
     "See the last lines of the traceback that belong to the application."},
};

}  // namespace

std::span<const DiagnosisRule> pythonRules() noexcept {
    return RULES;
}

}  // namespace Passenger
