#include "spawning/Diagnosis.h"

#include <cppunit/extensions/HelperMacros.h>

#include <csignal>
#include <string>
#include <vector>

namespace Passenger {

/** A row for each kind of failure: the known facts, and the expected diagnosis. */
class DiagnosisTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(DiagnosisTest);
    CPPUNIT_TEST(testEachKindHasItsCauseAndItsRemedy);
    CPPUNIT_TEST(testEachRuleHasARow);
    CPPUNIT_TEST(testRulesOfOneLanguageDoNotApplyToAnother);
    CPPUNIT_TEST(testUnknownFactsAreNotMentioned);
    CPPUNIT_TEST(testPlaceholdersInAnApplicationsTextAreNotReplaced);
    CPPUNIT_TEST(testOnlyTheBeginningOfALongMessageIsSearched);
    CPPUNIT_TEST_SUITE_END();

    struct Row {
        const char *kind;
        FailureFacts facts;
        const char *cause;
        const char *remedy;
    };

    /** The step at which a bridge reports exceptions. */
    static constexpr const char *LISTENS = "application listens";

    static FailureFacts raised(const char *exceptionClass, const char *message, const char *step = "app loaded") {
        return {.step = step, .exceptionClass = exceptionClass, .exceptionMessage = message};
    }
    static FailureFacts python(const char *exceptionClass, const char *message) {
        return {.step = "app loaded",
                .exceptionClass = exceptionClass,
                .exceptionMessage = message,
                .language = Language::PYTHON};
    }
    /** A failure of Node that its loader or a bridge reports. */
    static FailureFacts node(const char *exceptionClass, const char *message) {
        return {
            .step = LISTENS, .exceptionClass = exceptionClass, .exceptionMessage = message, .language = Language::NODE};
    }
    static FailureFacts killedIn(Language language, int signal) {
        return {.step = LISTENS, .waitStatus = signal, .language = language};
    }
    static FailureFacts problem(const char *text, const char *step = "user chosen") {
        return {.step = step, .problem = text};
    }
    /** A status as wait(2) returns it. */
    static FailureFacts killed(int signal) { return {.step = "app loaded", .waitStatus = signal}; }
    static FailureFacts exited(int status) { return {.step = "app loaded", .waitStatus = status << 8}; }
    static FailureFacts late(const char *step) { return {.step = step, .timedOut = true}; }

    static const std::vector<Row> &rows();

    static void expectIn(const Row &row, const std::string &text, const char *part) {
        CPPUNIT_ASSERT_MESSAGE(std::string(row.kind) + ": \"" + part + "\" is not in: " + text,
                               text.find(part) != std::string::npos);
    }

public:
    void testEachKindHasItsCauseAndItsRemedy() {
        for (const Row &row : rows()) {
            const Diagnosis diagnosis = diagnose(row.facts);
            expectIn(row, diagnosis.cause, row.cause);
            expectIn(row, diagnosis.remedy, row.remedy);
        }
    }

    void testEachRuleHasARow() {
        std::vector<std::string> rowsOfRules(diagnosisRules());
        for (const Row &row : rows()) {
            rowsOfRules.at(diagnose(row.facts).rule) += row.kind;
        }
        for (std::size_t rule = 0; rule < rowsOfRules.size(); rule++) {
            const std::string before = rule == 0 ? "the beginning" : "that of \"" + rowsOfRules[rule - 1] + "\"";
            CPPUNIT_ASSERT_MESSAGE("no row for the rule behind " + before, !rowsOfRules[rule].empty());
        }
    }

    void testRulesOfOneLanguageDoNotApplyToAnother() {
        for (const Language language : {Language::PYTHON, Language::NODE, Language::OTHER}) {
            for (FailureFacts facts : {killed(SIGABRT), raised("TypeError", "x"), raised("KeyError", "'x'"),
                                       raised("SyntaxError", "y"), exited(1)}) {
                facts.language = language;
                const Diagnosis diagnosis = diagnose(facts);
                for (const char *word : {"Ruby", "gem", "bundle"}) {
                    const bool named = (diagnosis.cause + diagnosis.remedy).find(word) != std::string::npos;
                    CPPUNIT_ASSERT_MESSAGE(diagnosis.cause,
                                           !named || diagnosis.remedy.find("Ruby, Python, Node") != std::string::npos);
                }
            }
        }
    }

    void testUnknownFactsAreNotMentioned() {
        CPPUNIT_ASSERT_EQUAL(diagnosisRules(), diagnose({}).rule);
        CPPUNIT_ASSERT(diagnose({}).cause.empty());
        CPPUNIT_ASSERT(diagnose(problem("the start was cancelled")).remedy.empty());
    }

    void testPlaceholdersInAnApplicationsTextAreNotReplaced() {
        const auto diagnosis = diagnose(raised("LoadError", "cannot load such file -- {}{}"));
        CPPUNIT_ASSERT(diagnosis.cause.find("\"{}{}\"") != std::string::npos);
    }

    void testOnlyTheBeginningOfALongMessageIsSearched() {
        const std::string message = std::string(1000000, 'x') + "already activated";
        const auto diagnosis = diagnose(raised("RuntimeError", message.c_str()));
        CPPUNIT_ASSERT_EQUAL(std::string("The application raised an exception while it loaded."), diagnosis.cause);
    }
};

const std::vector<DiagnosisTest::Row> &DiagnosisTest::rows() {
    static const std::vector<Row> ROWS{
        {"time-out", late("app loaded"), "waits for a resource", "PassengerStartTimeout"},
        {"time-out of a deaf application", late(LISTENS), "did not listen on its port", "variable PORT"},
        {"time-out in the line", late("preloader free"), "busy with other instances", "PassengerStartTimeout"},
        {"time-out before HELLO", late("Ruby ready"), "does not answer", "df APPLICATION_FOLDER"},
        {"time-out in a profile", late("shell environment loaded"), "login shell's profile", "su -l USER"},
        {"time-out in a fork", late("instance forked"), "waits in the fork", "PassengerSpawnMethod direct"},
        {"out of memory", killed(SIGKILL), "no memory left", "dmesg"},
        {"crash", killed(SIGSEGV), "Native code", "bundle pristine"},
        {"core dumped", killed(SIGABRT | 0x80), "Native code", "bundle pristine"},
        {"crash in Python", killedIn(Language::PYTHON, SIGSEGV), "Python itself", "PYTHONFAULTHANDLER"},
        {"crash in Node", killedIn(Language::NODE, SIGSEGV), "Node itself", "npm rebuild"},
        {"crash of a command", killedIn(Language::OTHER, SIGILL), "the command, or a library", "by hand"},
        {"JavaScript's heap",
         {.step = LISTENS,
          .exceptionClass = "FATAL ERROR",
          .exceptionMessage = "Reached heap limit Allocation failed - JavaScript heap out of memory",
          .waitStatus = SIGABRT,
          .language = Language::NODE},
         "memory that Node has",
         "--max-old-space-size"},
        {"Node without address space",
         {.step = "bridge ready",
          .output = "#\n# Fatal process OOM in Failed to reserve virtual memory for CodeRange\n#\n",
          .waitStatus = SIGTRAP,
          .language = Language::NODE},
         "before the application",
         "LimitAS"},
        {"command out of memory", killedIn(Language::OTHER, SIGKILL), "no memory left", "dmesg"},
        {"limit of processor time", killed(SIGXCPU), "limit of processor time", "LimitCPU"},
        {"some signal", killed(SIGTERM), "SIGTERM", "service managers"},
        {"require() of a module for import",
         node("Error [ERR_REQUIRE_ESM]", "require() of ES Module /srv/blog/a.js not supported."), "written for import",
         "\"type\": \"module\""},
        {"import in a file for require()",
         node("SyntaxError", "/srv/blog/app.js:1: Cannot use import statement outside a module"), "written for import",
         ".mjs"},
        {"require in a file for import",
         node("ReferenceError", "require is not defined in ES module scope, you can use import instead"), "for import",
         ".cjs"},
        {"a port of root", node("Error [EACCES]", "listen EACCES: permission denied 0.0.0.0:80"), "below 1024",
         "variable PORT"},
        {"JavaScript's syntax error", node("SyntaxError", "/srv/blog/app.js:12: Unexpected token ')'"),
         "grammar: /srv/blog/app.js:12.", "node --check"},
        {"an error of JSON.parse", node("SyntaxError", "Unexpected token '}', \"{\"a\": }\" is not valid JSON"),
         "has an error", "backtrace"},
        {"missing package",
         node("Error [MODULE_NOT_FOUND]", "Cannot find module 'express'\nRequire stack:\n- /srv/blog/app.js"),
         "package \"express\" is not installed", "npm install express"},
        {"missing package of import",
         node("Error [ERR_MODULE_NOT_FOUND]", "Cannot find package 'express' imported from /srv/app.mjs"),
         "package \"express\" is not installed", "npm ci"},
        {"missing file of a Node application", node("Error [MODULE_NOT_FOUND]", "Cannot find module './dist/main'"),
         "./dist/main does not exist", "npm run build"},
        {"require() of a module that awaits",
         node("Error [ERR_REQUIRE_ASYNC_MODULE]", "require() cannot be used on an ESM graph with top-level await."),
         "written for import", "import()"},
        {"native module of another Node",
         node("Error [ERR_DLOPEN_FAILED]", "/srv/a.node was compiled against another version"), "native module",
         "npm rebuild"},
        {"native module that is not there",
         node("Error [ERR_DLOPEN_FAILED]", "/srv/a.node: cannot open shared object file: No such file"),
         "native module", "npm rebuild"},
        {"system library of a native module",
         node("Error [ERR_DLOPEN_FAILED]", "libvips.so.42: cannot open shared object file: No such file"),
         "library libvips.so.42 is missing", "apt-file search libvips.so.42"},
        {"no permission in Node", node("Error [EACCES]", "EACCES: permission denied, open '/srv/blog/.env'"),
         "for /srv/blog/.env,", "chown"},
        {"missing file in Node", node("Error [ENOENT]", "ENOENT: no such file or directory, open '/srv/x.json'"),
         "not exist: /srv/x.json", "deployed"},
        {"database in Node", node("Error [ECONNREFUSED]", "connect ECONNREFUSED 127.0.0.1:5432"), "database", "runs"},
        {"mistake in Node", node("TypeError", "x is not a function"), "one of its packages has an error", "backtrace"},
        {"handler without a server",
         {.step = LISTENS,
          .problem = "the step \"x\" failed: the command \"node app.js\" exited with status 0 before it listened: "
                     "/srv/my app.js exports a function and never calls listen()\nmore",
          .language = Language::NODE},
         "/srv/my app.js exports a function and never calls",
         "PassengerStartupFile bin/www"},
        {"syntax error", raised("SyntaxError", "/srv/a:b/config.ru:12: syntax error, unexpected end\n  run("),
         "grammar: /srv/a:b/config.ru:12.", "ruby -c"},
        {"syntax error without a place", raised("SyntaxError", "compile error"), "the application's code", "ruby -c"},
        {"wrong Ruby",
         raised("Bundler::RubyVersionMismatch", "Your Ruby version is 3.1.2, but your Gemfile specified 3.3",
                "Bundler"),
         "another version of Ruby", "PassengerRuby"},
        {"missing gem", raised("Bundler::GemNotFound", "Could not find rack-9.9 in any of the sources", "Bundler"),
         "Could not find rack-9.9", "bundle install"},
        {"versions of before an upgrade of Ruby, Bundler 2.3.15",
         raised("Bundler::GemNotFound", "Could not find net-imap-0.2.3, net-smtp-0.3.1 in any of the sources",
                "Bundler"),
         "net-imap-0.2.3, net-smtp-0.3.1", "bundle lock --local --update"},
        {"versions of before an upgrade of Ruby, Bundler 2.3.27 and 2.6.7",
         raised("Bundler::GemNotFound", "Could not find net-imap-0.2.3, net-smtp-0.3.1 in locally installed gems",
                "Bundler"),
         "net-imap-0.2.3, net-smtp-0.3.1", "bundle lock --local --update"},
        {"gem of a Debian package to be installed anew",
         raised("Bundler::GemNotFound", "Could not find sqlite3-1.4.2.gem for installation"),
         "wants to install sqlite3-1.4.2.gem while", "bundle lock --local --update"},
        {"gem of a Debian package to be installed anew by bundler/inline",
         raised("Bundler::InstallError",
                "Bundler::GemNotFound: Could not find method_source-1.0.0.gem for installation\n"
                "  /usr/lib/ruby/3.1.0/bundler/source/rubygems.rb:159:in `install'\n"),
         "wants to install method_source-1.0.0.gem while", "gemfile(true)"},
        {"lock file that cannot be written",
         raised("Bundler::PermissionError",
                "There was an error while trying to write to `/srv/blog/Gemfile.lock`. It is likely that you need to "
                "grant write permissions for that path.",
                "Bundler"),
         "/srv/blog/Gemfile.lock is missing", "bundle lock --local --update"},
        {"other file that Bundler cannot write",
         raised("Bundler::PermissionError",
                "There was an error while trying to write to `/srv/blog/vendor`. It is likely that you need to grant "
                "write permissions for that path.",
                "Bundler"),
         "could not set up", "bundle install"},
        {"gem not in the bundle", raised("Gem::LoadError", "pg is not part of the bundle. Add it to your Gemfile."),
         "pg is not part", "bundle install"},
        {"two versions",
         raised("Gem::LoadError", "You have already activated rack 3, but your Gemfile requires rack 2"),
         "Two versions", "bundle update"},
        {"other trouble with Bundler", raised("Bundler::GitError", "not cloned", "Bundler"), "Bundler",
         "bundle install"},
        {"missing library", raised("LoadError", "cannot load such file -- nokogiri"), "\"nokogiri\"", "Gemfile"},
        {"missing variable", raised("KeyError", "key not found: \"API_URL\"\nDid you mean?"), "\"API_URL\"",
         "SetEnv API_URL VALUE"},
        {"address in use", raised("Errno::EADDRINUSE", "Address already in use - bind(2)"), "another process uses it",
         "ss -lptn"},
        {"address in use, told otherwise", raised("RuntimeError", "Address already in use - bind(2)"),
         "another process uses it", "ss -lptn"},
        {"address in use, printed by a command",
         {.step = LISTENS, .output = "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"},
         "another process uses it",
         "ss -lptn"},
        {"no permission for a file", raised("Errno::EACCES", "Permission denied @ rb_sysopen - /srv/blog/log/x.log"),
         "/srv/blog/log/x.log", "chown"},
        {"not permitted", raised("Errno::EPERM", "Operation not permitted @ apply2files - /srv/x"), "/srv/x",
         "PassengerUser"},
        {"missing file", raised("Errno::ENOENT", "No such file or directory @ rb_sysopen - config/x.yml"),
         "config/x.yml", "deployed"},
        {"too many files", raised("Errno::EMFILE", "Too many open files"), "limit of open files", "LimitNOFILE"},
        {"disk full", raised("Errno::ENOSPC", "No space left on device"), "full", "Free space"},
        {"no memory", raised("NoMemoryError", "failed to allocate memory"), "too little memory", "MemoryMax"},
        {"no memory for an interpreter", problem("Cannot allocate memory - cannot start ruby", "Ruby started"),
         "too little memory", "MemoryMax"},
        {"no memory for a process", problem("Cannot allocate memory - fork(2)", "process forked"), "too little memory",
         "MemoryMax"},
        {"too many processes", problem("Resource temporarily unavailable - fork(2)", "process forked"),
         "limit of processes", "TasksMax"},
        {"no thread", raised("ThreadError", "can't create Thread: Resource temporarily unavailable", "starting hooks"),
         "limit of processes", "TasksMax"},
        {"no thread in Python", python("RuntimeError", "can't start new thread"), "limit of processes", "TasksMax"},
        {"no descriptor of the agent",
         problem("the step \"spawn server asked\" failed: socketpair: Too many open files", "spawn server asked"),
         "The agent has reached", "LimitNOFILE"},
        {"a long variable", problem("Argument list too long - /usr/bin/ruby", "process forked"), "128 KiB", "SetEnv"},
        {"database", raised("ActiveRecord::ConnectionNotEstablished", "connection refused"), "database", "runs"},
        {"secrets", raised("ActiveSupport::MessageEncryptor::InvalidMessage", ""), "secrets", "RAILS_MASTER_KEY"},
        {"exit", raised("SystemExit", "exit"), "called exit", "output"},
        {"mistake", raised("NoMethodError", "undefined method `x' for nil"), "has an error", "backtrace"},
        {"no run", raised("RuntimeError", "config.ru gives no application to run"), "does not call run", "run YOUR"},
        {"any exception", raised("Acme::Error", "no"), "raised an exception", "backtrace"},
        {"Python module", python("ModuleNotFoundError", "No module named 'flask' (in /srv/venv/bin/python)"),
         "not installed", "/srv/venv/bin/python -m pip install flask "},
        {"Python syntax", python("SyntaxError", "'(' was never closed (passenger_wsgi.py, line 2)"),
         "grammar: passenger_wsgi.py, line 2", "py_compile"},
        {"no application", python("AttributeError", "/x.py defines no \"application\". Define it"),
         "no object called application", "Flask(__name__)"},
        {"no function", python("AttributeError", "/x.py defines no \"create_app()\". It defines \"app\": …"),
         "no object called create_app().", "PassengerAppCallable app"},
        {"a number as application", python("TypeError", "the \"application\" of /x.py is 5, which cannot be called"),
         "is no application", "(environ, start_response)"},
        {"system library", python("ImportError", "libpq.so.5: cannot open shared object file: No such file"),
         "library libpq.so.5 is missing", "apt-file search libpq.so.5"},
        {"no permission in Python", python("PermissionError", "[Errno 13] Permission denied: '/srv/x/.env'"),
         "for /srv/x/.env", "chown"},
        {"manage.py without wsgi.py",
         python("FileNotFoundError", "/srv/x/manage.py leads to no wsgi.py: name that file by PassengerStartupFile"),
         "has a manage.py", "PassengerStartupFile"},
        {"missing file in Python", python("FileNotFoundError", "[Errno 2] No such file or directory: '/srv/x'"),
         "not exist: /srv/x", "deployed"},
        {"missing variable in Python", python("KeyError", "'SECRET_KEY'"), "\"SECRET_KEY\"", "SetEnv SECRET_KEY"},
        {"Django settings", python("django.core.exceptions.ImproperlyConfigured", "no SECRET_KEY"), "settings",
         "DJANGO_SETTINGS_MODULE"},
        {"database in Python", python("django.db.utils.OperationalError", "refused"), "database", "runs"},
        {"port in Python", python("OSError", "[Errno 98] Address already in use"), "opens a port", "__main__"},
        {"no event loop in Python", python("RuntimeError", "There is no current event loop in thread 'MainThread'."),
         "does not run yet", "asyncio.run()"},
        {"no memory in Python", python("MemoryError", ""), "too little memory", "MemoryMax"},
        {"mistake in Python", python("NameError", "name 'x' is not defined"), "has an error", "traceback"},
        {"Python not found",
         {.step = "Python started",
          .problem = "No such file or directory - cannot start \"/opt/python\"",
          .language = Language::PYTHON},
         "Python interpreter does not exist",
         "PassengerPython"},
        {"Ruby not found", problem("No such file or directory - cannot start \"/opt/ruby\"", "Ruby started"),
         "interpreter does not exist", "PassengerRuby"},
        {"Ruby not found by a login shell",
         {.step = "shell environment loaded", .waitStatus = 127 << 8},
         "login shell of the application's user could not start the Ruby",
         "PassengerRuby"},
        {"Python not found by a login shell",
         {.step = "shell environment loaded", .waitStatus = 126 << 8, .language = Language::PYTHON},
         "login shell of the application's user could not start the Python",
         "PassengerPython"},
        {"command not found", problem("No such file or directory", "command started"), "command does not exist",
         "PassengerAppStartCommand"},
        {"command that the shell does not find",
         problem("the command \"serve\" was not found, or what it starts was not (status 127)", "application listens"),
         "does not exist", "PassengerAppStartCommand"},
        {"Node that does not exist",
         problem("the command \"/opt/node app.js\" could not be started: No such file or directory",
                 "application listens"),
         "does not exist", "PassengerNodejs"},
        {"command with an error",
         {.step = LISTENS, .lastError = "panic: no settings", .waitStatus = 2 << 8, .language = Language::OTHER},
         "with this error: panic: no settings",
         "by hand"},
        {"command without a library",
         {.step = LISTENS,
          .problem = "the command was not found, or what it starts was not (status 127)",
          .lastError = "serve: error while loading shared libraries: libx.so.1: cannot open shared object file",
          .waitStatus = 127 << 8,
          .language = Language::OTHER},
         "library libx.so.1 is missing",
         "apt-file search libx.so.1"},
        {"command that ends",
         {.step = LISTENS, .waitStatus = 0, .language = Language::OTHER},
         "status 0 before it served",
         "in the foreground"},
        {"server without a worker",
         problem("the command \"serve\" has listened on 127.0.0.1 port 4711, but has accepted no connection after "
                 "PassengerStartTimeout, 90 seconds",
                 LISTENS),
         "no worker of it has loaded the application", "raise PassengerStartTimeout"},
        {"deaf application", problem("it ended", "application listens"), "did not listen", "PORT"},
        {"user", problem("the spawn server could not be started: cannot become user \"x\": no such user exists"),
         "does not exist", "PassengerUser"},
        {"spawn server", problem("the spawn server could not be started: it exited"), "does not run",
         "PassengerDefaultRuby"},
        {"hanging spawn server", problem("the spawn server did not answer in time", "spawn server asked"),
         "hangs or is very slow", "event=spawn_server.hangs"},
        {"dying spawn server", problem("the spawn server ended twice in a row", "spawn server asked"),
         "killed or crashes each time", "dmesg"},
        {"wrapper", problem("a wrapper around Ruby must end with exec"), "script", "exec"},
        {"large environment", problem("the process environment is too large"), "too long for one process", "SetEnv"},
        {"closed folder", problem("\"/srv/blog\" cannot be used: Permission denied"), "no permission", "chmod o+x"},
        {"missing folder", problem("\"/srv/blog\" cannot be used: No such file or directory"), "does not exist",
         "PassengerAppRoot"},
        {"end", exited(7), "status 7", "output"},
    };
    return ROWS;
}

CPPUNIT_TEST_SUITE_REGISTRATION(DiagnosisTest);

}  // namespace Passenger
