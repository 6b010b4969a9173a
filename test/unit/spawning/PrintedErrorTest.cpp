#include "spawning/PrintedError.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

namespace Passenger {

/** Outputs as the interpreters write them. */
class PrintedErrorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PrintedErrorTest);
    CPPUNIT_TEST(testEachFormIsRead);
    CPPUNIT_TEST(testTheLastErrorCounts);
    CPPUNIT_TEST(testNoLineIsTakenThatLooksLikeNoError);
    CPPUNIT_TEST_SUITE_END();

    struct Row {
        const char *kind;
        const char *output;
        Language language;
        const char *exceptionClass;
        const char *message;
    };

    static const std::vector<Row> &rows();

public:
    void testEachFormIsRead() {
        for (const Row &row : rows()) {
            const auto error = PrintedError::in(row.output);
            CPPUNIT_ASSERT_MESSAGE(row.kind, error);
            CPPUNIT_ASSERT_MESSAGE(row.kind, error->language == row.language);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(row.kind, std::string(row.exceptionClass), error->exceptionClass);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(row.kind, std::string(row.message), error->message);
        }
    }

    void testTheLastErrorCounts() {
        std::string output;
        for (const Row &row : rows()) {
            output += row.output;
            if (row.language != Language::OTHER) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(row.kind, std::string(row.message), PrintedError::in(output)->message);
            }
        }
    }

    void testNoLineIsTakenThatLooksLikeNoError() {
        for (const char *output : {"", "\n\n", "listening soon\n", "Ready: yes\n  (KeyError)\n",
                                   "event=app.load_failed app=\"x\" reason=\"error\"\n", "KeyError: 'x\n    at home"}) {
            const auto error = PrintedError::in(output);
            CPPUNIT_ASSERT_MESSAGE(output, !error || error->language != Language::RUBY);
        }
        CPPUNIT_ASSERT(!PrintedError::in("listening soon\nevent=x reason=\"an error\"\n"));
    }
};

const std::vector<PrintedErrorTest::Row> &PrintedErrorTest::rows() {
    static const std::vector<Row> ROWS{
        {"Python",
         "starting\nTraceback (most recent call last):\n  File \"/srv/r.py\", line 1, in <module>\n    import nosuch\n"
         "ModuleNotFoundError: No module named 'nosuch'\nbye\n",
         Language::PYTHON, "ModuleNotFoundError", "No module named 'nosuch'"},
        {"Python without a message",
         "Traceback (most recent call last):\n  File \"/srv/r.py\", line 2, in <module>\n    f()\n    ^^^\n"
         "app.errors.Closed\n",
         Language::PYTHON, "app.errors.Closed", ""},
        {"Python's grammar", "  File \"/srv/r.py\", line 1\n    x = (\n        ^\nSyntaxError: '(' was never closed\n",
         Language::PYTHON, "SyntaxError", "'(' was never closed"},
        {"Node",
         "node:internal/modules/cjs/loader:1148\n  throw err;\n  ^\n\nError: Cannot find module 'nosuch'\n"
         "Require stack:\n- /srv/app.js\n    at Module._load (node:internal/modules/cjs/loader:986:27)\n"
         "    at require (node:internal/modules/helpers:179:18) {\n  code: 'MODULE_NOT_FOUND',\n"
         "  requireStack: [ '/srv/app.js' ]\n}\n\nNode.js v20.20.2\n",
         Language::NODE, "Error [MODULE_NOT_FOUND]", "Cannot find module 'nosuch'"},
        {"npm without a package.json",
         "npm error code ENOENT\nnpm error syscall open\nnpm error enoent Could not read package.json: Error: ENOENT\n"
         "npm error enoent This is related to npm not being able to find a file.\nnpm error enoent\n"
         "npm error Log files were not written due to an error writing to the directory: /var/www/.npm/_logs\n"
         "npm error You can rerun the command with `--loglevel=verbose` to see the logs in your terminal\n",
         Language::OTHER, "", "npm error enoent Could not read package.json: Error: ENOENT"},
        {"npm before version 9",
         "npm ERR! Missing script: \"start\"\nnpm ERR! \nnpm ERR! To see a list of scripts, run:\n"
         "npm ERR!   npm run\n",
         Language::OTHER, "", "npm ERR! Missing script: \"start\""},
        {"Rust",
         "thread 'main' panicked at src/main.rs:3:5:\nno DATABASE_URL\n"
         "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
         Language::OTHER, "", "thread 'main' panicked at src/main.rs:3:5: no DATABASE_URL"},
        {"Rust from 1.91 on",
         "thread 'main' (4712) panicked at src/main.rs:3:5:\nno DATABASE_URL\n"
         "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
         Language::OTHER, "", "thread 'main' (4712) panicked at src/main.rs:3:5: no DATABASE_URL"},
        {"Rust before 1.73", "thread 'main' panicked at 'no DATABASE_URL', src/main.rs:3:5\nnote: run with x\n",
         Language::OTHER, "", "thread 'main' panicked at 'no DATABASE_URL', src/main.rs:3:5"},
        {"Node with the code before the message",
         "Error [ERR_REQUIRE_ESM]: require() of ES Module /srv/a.mjs not supported.\nInstead change the require.\n"
         "    at Object.<anonymous> (/srv/app.js:1:1) {\n  code: 'ERR_REQUIRE_ESM'\n}\n",
         Language::NODE, "Error [ERR_REQUIRE_ESM]", "require() of ES Module /srv/a.mjs not supported."},
        {"JavaScript's grammar",
         "/srv/app.js:2\nlet b = = 2;\n        ^\n\nSyntaxError: Unexpected token '='\n"
         "    at wrapSafe (node:internal/modules/cjs/loader:1464:18)\n\nNode.js v20.20.2\n",
         Language::NODE, "SyntaxError", "/srv/app.js:2: Unexpected token '='"},
        {"JavaScript's heap",
         "<--- JS stacktrace --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of "
         "memory\n"
         "----- Native stack trace -----\n\n 1: 0xca5580 node::Abort() [node]\n",
         Language::NODE, "FATAL ERROR", "Reached heap limit Allocation failed - JavaScript heap out of memory"},
        {"Ruby 3.1",
         "<internal:kernel_require.rb>:85:in `require': cannot load such file -- nosuch (LoadError)\n"
         "\tfrom -e:1:in `<main>'\n",
         Language::RUBY, "LoadError", "cannot load such file -- nosuch"},
        {"Ruby 3.4", "a.rb:1:in '<main>': oh (A::B)\n", Language::RUBY, "A::B", "oh"},
        {"a handled exception before the end",
         "Traceback (most recent call last):\n  File \"/srv/r.py\", line 2, in <module>\n    f()\nKeyError: 'x'\n"
         "going on\nFATAL: cannot open /etc/license\n",
         Language::OTHER, "", "FATAL: cannot open /etc/license"},
        {"a master process behind the exception of its worker",
         "Traceback (most recent call last):\n  File \"/srv/r.py\", line 2, in <module>\n    f()\nKeyError: 'x'\n"
         "[1] [ERROR] Reason: Worker failed to boot.\n",
         Language::PYTHON, "KeyError", "'x'"},
        {"a program in C", "./serve: error while loading shared libraries: libx.so.1: cannot open shared object file\n",
         Language::OTHER, "",
         "./serve: error while loading shared libraries: libx.so.1: cannot open shared object file"},
        {"a program in Go", "listen tcp :80: bind: permission denied\ndone\n", Language::OTHER, "",
         "listen tcp :80: bind: permission denied"},
    };
    return ROWS;
}

CPPUNIT_TEST_SUITE_REGISTRATION(PrintedErrorTest);

}  // namespace Passenger
