#include "bridge/AppCommand.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

using Bridge::AppCommand;

namespace {

/** A folder with a package.json, until this object ends. */
class PackageFolder {
public:
    explicit PackageFolder(const std::string &package, const std::string &above = "/tmp")
        : path_(above + "/app-command-test.XXXXXX") {
        CPPUNIT_ASSERT(mkdtemp(path_.data()) != nullptr);
        std::ofstream(path_ + "/package.json") << package;
    }
    ~PackageFolder() { std::filesystem::remove_all(path_); }
    PackageFolder(const PackageFolder &) = delete;
    PackageFolder &operator=(const PackageFolder &) = delete;

    const std::string &path() const noexcept { return path_; }

private:
    std::string path_;
};

}  // namespace

class AppCommandTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppCommandTest);
    CPPUNIT_TEST(testAStartCommandComesBeforeTheKind);
    CPPUNIT_TEST(testAPlainScriptOfAPackageStartsNodeWithoutAShell);
    CPPUNIT_TEST(testAScriptHasTheVariablesOfNpm);
    CPPUNIT_TEST(testAScriptFindsTheProgramsOfFoldersAboveThatOthersCannotChange);
    CPPUNIT_TEST(testTheEnvironmentHasTheWorkingDirectoryAndNothingOfALoginShellsOwn);
    CPPUNIT_TEST(testAnyOtherScriptIsTheShells);
    CPPUNIT_TEST(testTheFilesOfYarnsPlugAndPlayAreLoaded);
    CPPUNIT_TEST(testPathsOfYarnsFilesAreWrittenAsNodeReadsThem);
    CPPUNIT_TEST(testAMissingNodeIsNamedAlsoWhereAShellRunsTheScript);
    CPPUNIT_TEST(testAPackageThatCannotBeReadIsNamed);
    CPPUNIT_TEST_SUITE_END();

    static AppCommand from(const std::map<std::string, std::string> &options) {
        return AppCommand::fromOptions(options, "/library", 4000, "/folder/socket");
    }

public:
    void testAStartCommandComesBeforeTheKind() {
        const AppCommand node = from({{"app_type", "node"}});
        CPPUNIT_ASSERT_EQUAL(std::string("node --require /library/node/node_loader.js app.js"), node.text());
        CPPUNIT_ASSERT(node.isNode);
        const AppCommand command = from({{"app_type", "node"}, {"start_command", "serve"}});
        CPPUNIT_ASSERT_EQUAL(std::string("serve"), command.text());
        CPPUNIT_ASSERT(!command.isNode);
    }

    void testAPlainScriptOfAPackageStartsNodeWithoutAShell() {
        const AppCommand command =
            withScript("NODE_ENV=staging PORT=3000 node --max-old-space-size=200  lib/server.js -p 80");
        CPPUNIT_ASSERT_EQUAL(
            std::string("node --require /library/node/node_loader.js --max-old-space-size=200 lib/server.js -p 80"),
            command.text());
        CPPUNIT_ASSERT(sets(command, "NODE_ENV=staging"));
        // The bridge awaits the application at a port of its own.
        CPPUNIT_ASSERT(!sets(command, "PORT=3000"));
        CPPUNIT_ASSERT(startsNode_);
        CPPUNIT_ASSERT(!command.leavesPrestartOut);
    }

    void testAScriptHasTheVariablesOfNpm() {
        for (const char *script : {"node app.js", "true && node app.js"}) {
            const AppCommand command = ofPackage(R"({"name": "shop", "version": "1.2.0-rc.1", "scripts": {"start": ")" +
                                                 std::string(script) + R"(", "prestart": "make"}})");
            CPPUNIT_ASSERT(sets(command, "npm_package_name=shop"));
            CPPUNIT_ASSERT(sets(command, "npm_package_version=1.2.0-rc.1"));
            CPPUNIT_ASSERT(sets(command, "npm_lifecycle_event=start"));
            CPPUNIT_ASSERT(command.leavesPrestartOut);
        }
        CPPUNIT_ASSERT(!sets(from({{"app_type", "node"}}), "npm_lifecycle_event=start"));
    }

    // Others could make programs in /tmp, or in a folder that they may write to.
    void testAScriptFindsTheProgramsOfFoldersAboveThatOthersCannotChange() {
        if (::geteuid() == 0) {
            CPPUNIT_ASSERT_EQUAL(std::string("app:above:/bin"), programsBelow("/root", 0755));
            CPPUNIT_ASSERT_EQUAL(std::string("app:/bin"), programsBelow("/root", 01777));
            CPPUNIT_ASSERT_EQUAL(std::string("app:above:/bin"), programsBelow("/root", 0775));
            CPPUNIT_ASSERT_EQUAL(std::string("app:/bin"), programsBelow("/root", 0775, 65534));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("app:/bin"), programsBelow("/tmp", 0755));
    }

    void testTheEnvironmentHasTheWorkingDirectoryAndNothingOfALoginShellsOwn() {
        const AppCommand command =
            from({{"app_type", "node"}, {"env:PWD", "/"}, {"env:OLDPWD", "/"}, {"env:SHLVL", "1"}, {"env:_", "/"}});
        CPPUNIT_ASSERT(sets(command, "PWD=" + std::filesystem::current_path().string()));
        for (const char *variable : {"OLDPWD=/", "SHLVL=1", "_=/"}) {
            CPPUNIT_ASSERT_MESSAGE(variable, !sets(command, variable));
        }
    }

    void testAnyOtherScriptIsTheShells() {
        for (const char *script : {"npm run build && node app.js", R"(node \"a b.js\")", "next start", "node", "A=1",
                                   "node --watch app.js", "node $MAIN", "PATH=x nodemon app.js"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(script, std::string("/bin/sh"), withScript(script).program);
            CPPUNIT_ASSERT_MESSAGE(script, !startsNode_);
        }
    }

    void testTheFilesOfYarnsPlugAndPlayAreLoaded() {
        const std::string loader = "--require /library/node/node_loader.js";
        const PackageFolder folder(R"({"scripts": {"start": "true && node app.js"}})");
        std::map<std::string, std::string> options{{"app_type", "node"}, {"app_root", folder.path()}};
        CPPUNIT_ASSERT_EQUAL("node " + loader + " app.js", from(options).text());
        std::ofstream(folder.path() + "/.pnp.cjs") << "";
        const std::string both = loader + " --require " + folder.path() + "/.pnp.cjs";
        CPPUNIT_ASSERT_EQUAL("node " + both + " app.js", from(options).text());
        std::ofstream(folder.path() + "/.pnp.loader.mjs") << "";
        const std::string all = both + " --experimental-loader file://" + folder.path() + "/.pnp.loader.mjs";
        CPPUNIT_ASSERT_EQUAL("node " + all + " app.js", from(options).text());
        options["startup_file"] = "package.json";
        // `yarn run` takes options away by their paths without quotes.
        CPPUNIT_ASSERT(sets(from(options), "NODE_OPTIONS=" + all));
        options["env:NODE_OPTIONS"] = "--require /shop/.pnp.cjs";
        CPPUNIT_ASSERT(sets(from(options), "NODE_OPTIONS=--require /shop/.pnp.cjs " + loader));
    }

    void testPathsOfYarnsFilesAreWrittenAsNodeReadsThem() {
        const PackageFolder parent(R"({})");
        const std::string folder = parent.path() + "/a \"b\"#c";
        std::filesystem::create_directory(folder);
        std::ofstream(folder + "/package.json") << R"({"scripts": {"start": "true && node app.js"}})";
        std::ofstream(folder + "/.pnp.cjs") << "";
        std::ofstream(folder + "/.pnp.loader.mjs") << "";
        const std::map<std::string, std::string> options{
            {"app_type", "node"}, {"app_root", folder}, {"startup_file", "package.json"}};
        const std::string file = "\"" + parent.path() + R"(/a \"b\"#c/.pnp.cjs")";
        const std::string url = "file://" + parent.path() + "/a%20%22b%22%23c/.pnp.loader.mjs";
        CPPUNIT_ASSERT(sets(from(options), "NODE_OPTIONS=--require /library/node/node_loader.js --require " + file +
                                               " --experimental-loader " + url));
    }

    void testAMissingNodeIsNamedAlsoWhereAShellRunsTheScript() {
        for (const char *node : {"/no/such/node", "no-such-node"}) {
            CPPUNIT_ASSERT_EQUAL(
                std::string("PassengerNodejs \"") + node +
                    "\" could not be started: No such file or directory; correct the path, or remove the "
                    "directive for the Node that is found without it",
                problemWith(R"({"scripts": {"start": "true && node app.js"}})", node));
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), problemWith(R"({"scripts": {"start": "true && node app.js"}})", "/bin/sh"));
        CPPUNIT_ASSERT_EQUAL(std::string(), problemWith(R"({"scripts": {"start": "true && node app.js"}})", "sh"));
    }

    void testAPackageThatCannotBeReadIsNamed() {
        CPPUNIT_ASSERT(problemWith("{\n\"scripts\": {,}\n}", "node")
                           .ends_with("/package.json cannot be read: line 2 is not JSON; correct it"));
        CPPUNIT_ASSERT(problemWith("", "node").ends_with("it is empty, or longer than 1 MiB; correct it"));
        CPPUNIT_ASSERT(problemWith("[]", "node").ends_with("it is no JSON object; correct it"));
        CPPUNIT_ASSERT(problemWith("{}", "node").ends_with("has no scripts.start: set it, or PassengerStartupFile"));
    }

private:
    /** PATH of a script; `app` and `above` stand for the programs of its packages and of those in
     *  the folder above it, which has this mode. */
    static std::string programsBelow(const std::string &place, mode_t mode, gid_t group = ::getegid()) {
        namespace fs = std::filesystem;
        const PackageFolder above("{}", place);
        const PackageFolder folder(R"({"scripts": {"start": "next start"}})", above.path());
        const std::string programs = "/node_modules/.bin";
        fs::create_directories(above.path() + programs);
        CPPUNIT_ASSERT(::chown(above.path().c_str(), ::geteuid(), group) == 0);
        CPPUNIT_ASSERT(::chmod(above.path().c_str(), mode) == 0);
        const AppCommand command = from({{"app_type", "node"},
                                         {"app_root", folder.path()},
                                         {"startup_file", "package.json"},
                                         {"env:PATH", "/bin"}});
        std::string path;
        for (const std::string &variable : command.environment) {
            path = variable.starts_with("PATH=") ? variable.substr(5) : path;
        }
        for (const auto &[name, place] : {std::pair<std::string, std::string>{"app", folder.path() + programs},
                                          {"above", above.path() + programs}}) {
            if (const auto at = path.find(place); at != std::string::npos) {
                path.replace(at, place.size(), name);
            }
        }
        return path;
    }

    /** What the exception says; empty: there is none. */
    std::string problemWith(const std::string &package, const std::string &node) {
        const PackageFolder folder(package);
        try {
            from({{"app_type", "node"},
                  {"app_root", folder.path()},
                  {"startup_file", "package.json"},
                  {"nodejs", node}});
        } catch (const IOException &error) {
            return error.what();
        }
        return "";
    }

    static bool sets(const AppCommand &command, const std::string &variable) {
        return std::find(command.environment.begin(), command.environment.end(), variable) != command.environment.end();
    }

    AppCommand withScript(const std::string &script) {
        return ofPackage("{\"scripts\": {\"start\": \"" + script + "\"}}");
    }

    AppCommand ofPackage(const std::string &package) {
        const PackageFolder folder(package);
        const std::map<std::string, std::string> options{
            {"app_type", "node"}, {"app_root", folder.path()}, {"startup_file", "package.json"}};
        startsNode_ = AppCommand::startsNode(options);
        return from(options);
    }

    bool startsNode_ = false;
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppCommandTest);

}  // namespace Passenger
