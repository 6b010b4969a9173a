#include "rights/Grants.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>

#include "support/SpawningFixture.h"

namespace Passenger {

class GrantsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(GrantsTest);
    CPPUNIT_TEST(testWithoutATextEverythingIsGranted);
    CPPUNIT_TEST(testWhatNoPlaceNamesIsRefusedByItsDirective);
    CPPUNIT_TEST(testValuesOfDifferentVirtualHostsAreNotGrantedTogether);
    CPPUNIT_TEST(testEachVirtualHostHasTheGrantsOfTheMainServer);
    CPPUNIT_TEST(testTwoSectionsThatSetTheSameAreNotMixed);
    CPPUNIT_TEST(testSectionsThatOverlapAreMerged);
    CPPUNIT_TEST(testDefaultsNeedNoGrant);
    CPPUNIT_TEST(testAnApplicationHasTheOtherValuesOfItsFoldersVirtualHost);
    CPPUNIT_TEST(testAnyFolderMayBeThereWhereFoldersAreNotKnown);
    CPPUNIT_TEST(testAnApplicationMayHaveTheNameOfItsFolderOnly);
    CPPUNIT_TEST(testAUserIsGrantedForTheFoldersOfTheVirtualHost);
    CPPUNIT_TEST(testFoldersBehindLinksAreCovered);
    CPPUNIT_TEST(testANameIsGoneWithItsUserAndNotWithOtherValues);
    CPPUNIT_TEST(testANameIsGoneWithTheFolderOfItsVirtualHost);
    CPPUNIT_TEST(testSlashesOfADocumentRootDoNotCount);
    CPPUNIT_TEST(testANameIsGoneWithItsEnvironment);
    CPPUNIT_TEST(testANameMayBeThereWhereFoldersAreNotKnown);
    CPPUNIT_TEST(testTheOwnerOfFilesNeedsUserAndFolderAlone);
    CPPUNIT_TEST(testTheOwnerOfFilesNeedsAStartupFileThatDecidesAlone);
    CPPUNIT_TEST(testVariablesOfLoadersNeedAGrant);
    CPPUNIT_TEST(testUnknownLinesAreIgnored);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *TEXT =
        "server\n"
        "any folder\n"
        "ruby /usr/bin/ruby\n"
        "group everyone\n"
        "variable GEM_HOME=/srv/gems\n"
        "server\n"
        "user alice\n"
        "start_command ./serve\n"
        "app_group_name shared\n"
        "document_root /srv/alice/public\n"
        "server\n"
        "user bob\n"
        "ruby /opt/ruby\n"
        "app_root /srv/bob\n"
        "document_root /srv/www\n";

    const Grants grants_{TEXT};

    static Options options() {
        Options options;
        options.appRoot = "/srv/alice";
        options.ruby = "/usr/bin/ruby";
        return options;
    }

    void expectRefused(const Options &options, const std::string &part) const {
        const auto refusal = grants_.refusal(options);
        CPPUNIT_ASSERT_MESSAGE(part, refusal.has_value());
        CPPUNIT_ASSERT_MESSAGE(*refusal, refusal->find(part) != std::string::npos);
    }
    void expectGranted(const Options &options) const {
        const auto refusal = grants_.refusal(options);
        CPPUNIT_ASSERT_MESSAGE(refusal.value_or(""), !refusal.has_value());
    }

public:
    void testWithoutATextEverythingIsGranted() {
        Options options;
        options.user = "anyone";
        options.startCommand = "anything";
        CPPUNIT_ASSERT(!Grants().refusal(options));
        CPPUNIT_ASSERT(!Grants("").refusal(options));
        CPPUNIT_ASSERT(Grants().coversFolder(options));
        CPPUNIT_ASSERT(Grants().allowsVariable("LD_PRELOAD", "/tmp/evil.so"));
    }

    void testWhatNoPlaceNamesIsRefusedByItsDirective() {
        const std::pair<std::string Options::*, const char *> members[] = {
            {&Options::user, "PassengerUser"},
            {&Options::group, "PassengerGroup"},
            {&Options::ruby, "PassengerRuby"},
            {&Options::python, "PassengerPython"},
            {&Options::nodejs, "PassengerNodejs"},
            {&Options::startCommand, "PassengerAppStartCommand"},
            {&Options::startupFile, "PassengerStartupFile"},
            {&Options::appCallable, "PassengerAppCallable"},
            {&Options::appGroupName, "PassengerAppGroupName"},
            {&Options::environment, "PassengerAppEnv"},
            {&Options::instanceAddress, "PassengerDirectInstanceRequestAddress"},
            {&Options::logFile, "PassengerAppLogFile"}};
        for (const auto &[member, directive] : members) {
            Options evil = options();
            evil.*member = "/tmp/evil";
            expectRefused(evil, std::string("httpd's configuration has no ") + directive + " \"/tmp/evil\"");
        }
    }

    void testValuesOfDifferentVirtualHostsAreNotGrantedTogether() {
        Options mixed = options();
        mixed.user = "bob";
        mixed.startCommand = "./serve";
        expectRefused(mixed, "has no place with all of this application's settings (user \"bob\"");
        mixed.user = "alice";
        expectGranted(mixed);
    }

    void testEachVirtualHostHasTheGrantsOfTheMainServer() {
        Options bobs = options();
        bobs.user = "bob";
        bobs.group = "everyone";
        bobs.ruby = "/usr/bin/ruby";
        expectGranted(bobs);
        bobs.ruby = "/opt/ruby";
        expectGranted(bobs);
        bobs.user = "alice";
        expectRefused(bobs, "has no place with all");
    }

    static Options running(const std::string &user, const std::string &command, const std::string &ruby = "") {
        Options options = GrantsTest::options();
        options.user = user;
        options.startCommand = command;
        options.ruby = ruby;
        return options;
    }

    void testTwoSectionsThatSetTheSameAreNotMixed() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\n"
            "server\nuser alice\nstart_command ./a\nsection\nuser bob\nstart_command ./b\nruby /opt/ruby\n");
        const Grants ofMain(
            "server\nany folder\nuser alice\nstart_command ./a\nsection\nuser bob\nstart_command ./b\n");
        for (const auto &[user, command] : {std::pair("alice", "./a"), std::pair("bob", "./b")}) {
            CPPUNIT_ASSERT(!grants.refusal(running(user, command)));
            CPPUNIT_ASSERT(!ofMain.refusal(running(user, command)));
        }
        for (const auto &[user, command] : {std::pair("alice", "./b"), std::pair("bob", "./a")}) {
            const auto refusal = grants.refusal(running(user, command));
            CPPUNIT_ASSERT(refusal &&
                           refusal->find("no place with all of this application's settings") != std::string::npos);
            CPPUNIT_ASSERT(ofMain.refusal(running(user, command)).has_value());
        }
        CPPUNIT_ASSERT(!grants.refusal(running("alice", "./a", "/usr/bin/ruby")));
        CPPUNIT_ASSERT(!grants.refusal(running("bob", "./b", "/opt/ruby")));
    }

    // A <Directory> may be inside of another one, or beside a <Location>. Any of them may be the
    // inner one.
    void testSectionsThatOverlapAreMerged() {
        const Grants grants(
            "server\nany folder\nuser main\nruby /usr/bin/ruby\nserver\nuser alice\nstart_command ./a\nsection\nruby "
            "/opt/ruby\n"
            "section\nstart_command ./b\nsection\nuser bob\n");
        for (const char *user : {"main", "alice", "bob"}) {
            for (const char *ruby : {"/usr/bin/ruby", "/opt/ruby"}) {
                CPPUNIT_ASSERT(!grants.refusal(running(user, "./b", ruby)));
            }
        }
        CPPUNIT_ASSERT(!grants.refusal(running("bob", "./a")));
    }

    void testDefaultsNeedNoGrant() {
        Options plain = options();
        for (const char *file : {"config.ru", "passenger_wsgi.py", "app.js", "package.json", ""}) {
            plain.startupFile = file;
            expectGranted(plain);
        }
        for (const char *callable : {"application", ""}) {
            plain.appCallable = callable;
            expectGranted(plain);
        }
    }

    void testAnApplicationHasTheOtherValuesOfItsFoldersVirtualHost() {
        const std::string hosts =
            "server\nruby ruby\nserver\ndocument_root /srv/a/public\nuser alice\nfixed user\n"
            "environment staging\nfixed environment\nserver\ndocument_root /srv/b/public\napp_root /srv/c\n";
        const Grants grants(hosts);
        Options as = named("/srv/a", "staging");
        as.user = "alice";
        CPPUNIT_ASSERT(!grants.refusal(as));
        for (const char *folder : {"/srv/b", "/srv/c"}) {
            CPPUNIT_ASSERT_MESSAGE(folder, !grants.refusal(named(folder)));
        }
        Options bs = as;
        bs.appRoot = "/srv/b";
        for (const Options &options : {bs, named("/srv/a"), named("/srv/a", "staging"), named("/srv/b", "staging"),
                                       named("/srv/b/public"), named("/home/mallory/app")}) {
            const auto refusal = grants.refusal(options);
            CPPUNIT_ASSERT_MESSAGE(options.appRoot, refusal.has_value());
            CPPUNIT_ASSERT(refusal->find("folder \"" + options.appRoot + "\")") != std::string::npos);
        }
    }

    void testAnyFolderMayBeThereWhereFoldersAreNotKnown() {
        const std::string host = "ruby ruby\nserver\ndocument_root /srv/b/public\n";
        const Options elsewhere = named("/srv/releases/1");
        CPPUNIT_ASSERT(Grants("server\n" + host).refusal(elsewhere).has_value());
        for (const char *line : {"any folder\n", "any name\n", "base_uri /sub\n", "resolve_symlinks On\n"}) {
            CPPUNIT_ASSERT_MESSAGE(line, !Grants("server\n" + std::string(line) + host).refusal(elsewhere));
        }
        CPPUNIT_ASSERT(!Grants("server\n" + host + "base_uri /sub\n").refusal(elsewhere));
        CPPUNIT_ASSERT(!Grants("server\napp_root /srv/releases/1\n" + host).refusal(elsewhere));
        const Options staging = named("/srv/b", "staging");
        CPPUNIT_ASSERT(Grants("server\nany folder\n" + host).refusal(staging).has_value());
        CPPUNIT_ASSERT_MESSAGE("a .htaccess file sets it",
                               !Grants("server\nany name\n" + host).refusal(staging).has_value());
    }

    // Its requests, and what clients send in them, would reach another application's instances.
    void testAnApplicationMayHaveTheNameOfItsFolderOnly() {
        Options named = options();
        named.appGroupName = "/srv/alice (production)";
        expectGranted(named);
        named.user = "alice";
        expectRefused(named, "PassengerAppGroupName");
        named.appGroupName = "/srv/alice (production) as alice";
        expectGranted(named);
        named.group = "everyone";
        named.appGroupName = "/srv/alice (production) as alice:everyone";
        expectGranted(named);
        named.appGroupName = "shared";
        expectGranted(named);
        named.appRoot = "/srv/evil";
        named.appGroupName = "/srv/alice (production) as alice:everyone";
        expectRefused(named, "PassengerAppGroupName");
    }

    void testAUserIsGrantedForTheFoldersOfTheVirtualHost() {
        Options plain = options();
        plain.appRoot = "/tmp/anywhere";
        CPPUNIT_ASSERT_MESSAGE("it runs as its owner", grants_.coversFolder(plain));
        plain.user = "alice";
        CPPUNIT_ASSERT(!grants_.coversFolder(plain));
        plain.appRoot = "/srv/bob";
        CPPUNIT_ASSERT(!grants_.coversFolder(plain));
        plain.appRoot = "/srv/alice";
        CPPUNIT_ASSERT(grants_.coversFolder(plain));
        plain.user = "bob";
        CPPUNIT_ASSERT(!grants_.coversFolder(plain));
        for (const char *folder : {"/srv/bob", "/srv"}) {
            plain.appRoot = folder;
            CPPUNIT_ASSERT_MESSAGE(folder, grants_.coversFolder(plain));
        }
        plain.user = "";
        plain.startCommand = "./serve";
        CPPUNIT_ASSERT(!grants_.coversFolder(plain));
        plain.startCommand = "";
        plain.appGroupName = "shared";
        CPPUNIT_ASSERT(!grants_.coversFolder(plain));
        plain.appRoot = "/srv/alice";
        CPPUNIT_ASSERT(grants_.coversFolder(plain));
        CPPUNIT_ASSERT(grants_.namedFolders(plain) == std::set<std::string>{"/srv/alice"});
    }

    void testANameIsGoneWithItsUserAndNotWithOtherValues() {
        Options plain = options();
        CPPUNIT_ASSERT(Grants().hasName(plain));
        CPPUNIT_ASSERT(grants_.hasName(plain));
        plain.ruby = "/usr/bin/removed";
        plain.startCommand = "./removed";
        plain.memoryMax = 12345;
        CPPUNIT_ASSERT(grants_.hasName(plain));
        plain.user = "alice";
        CPPUNIT_ASSERT(grants_.hasName(plain));
        plain.user = "removed";
        CPPUNIT_ASSERT(!grants_.hasName(plain));
        plain.user = "";
        plain.appGroupName = "removed";
        CPPUNIT_ASSERT(!grants_.hasName(plain));
    }

    static Options named(const std::string &folder, const std::string &environment = "production") {
        Options options;
        options.appRoot = folder;
        options.environment = environment;
        return options;
    }

    void testANameIsGoneWithTheFolderOfItsVirtualHost() {
        const Grants grants(
            "server\ndocument_root /var/www/html\nserver\ndocument_root /srv/a/public\ndocument_root /srv/b/public/\n"
            "server\nuser alice\nfixed user\ndocument_root /srv/c/public\napp_root /srv/d\n");
        for (const char *folder : {"/var/www", "/srv/a", "/srv/b"}) {
            CPPUNIT_ASSERT_MESSAGE(folder, grants.hasName(named(folder)));
        }
        for (const char *folder : {"/srv/a/public", "/srv", "/srv/c", "/srv/d", "/srv/e", ""}) {
            CPPUNIT_ASSERT_MESSAGE(folder, !grants.hasName(named(folder)));
        }
        for (const char *folder : {"/srv/c", "/srv/d", "/srv/a"}) {
            Options options = named(folder);
            options.user = "alice";
            CPPUNIT_ASSERT_EQUAL_MESSAGE(folder, options.appRoot != "/srv/a", grants.hasName(options));
        }
        Options shared = named("/srv/e");
        shared.appGroupName = "shared";
        CPPUNIT_ASSERT(Grants("server\nserver\napp_group_name shared\n").hasName(shared));
    }

    void testSlashesOfADocumentRootDoNotCount() {
        const Grants grants(
            "server\ndocument_root relative\nserver\ndocument_root /srv/b//public//\ndocument_root /srv/a/public/\n"
            "server\ndocument_root /top");
        for (const char *folder : {"/srv/a", "/srv/b", "/"}) {
            CPPUNIT_ASSERT_MESSAGE(folder, grants.hasName(named(folder)));
        }
        for (const char *folder : {"/srv", "/srv/a/public", "/top", "relative"}) {
            CPPUNIT_ASSERT_MESSAGE(folder, !grants.hasName(named(folder)));
        }
    }

    void testANameIsGoneWithItsEnvironment() {
        const Grants grants(
            "server\nserver\nenvironment staging\nfixed environment\ndocument_root /srv/a/public\n"
            "server\nenvironment test\ndocument_root /srv/b/public\n");
        CPPUNIT_ASSERT(grants.hasName(named("/srv/a", "staging")));
        CPPUNIT_ASSERT(!grants.hasName(named("/srv/a", "production")));
        CPPUNIT_ASSERT(!grants.hasName(named("/srv/a", "test")));
        CPPUNIT_ASSERT_MESSAGE("a section has it", grants.hasName(named("/srv/b", "test")));
        CPPUNIT_ASSERT(grants.hasName(named("/srv/b", "production")));
        const Grants all("server\nenvironment staging\nfixed environment\nserver\ndocument_root /srv/a/public\n");
        CPPUNIT_ASSERT(all.hasName(named("/srv/a", "staging")));
        CPPUNIT_ASSERT(!all.hasName(named("/srv/a", "production")));
    }

    void testANameMayBeThereWhereFoldersAreNotKnown() {
        const std::string hosts =
            "server\nserver\nenvironment staging\nfixed environment\ndocument_root /srv/a/public\n";
        const Options elsewhere = named("/srv/releases/1", "staging");
        CPPUNIT_ASSERT(!Grants(hosts).hasName(elsewhere));
        CPPUNIT_ASSERT(!Grants(hosts + "resolve_symlinks Off\n").hasName(elsewhere));
        for (const char *line : {"base_uri /blog\n", "resolve_symlinks On\n"}) {
            const Grants ofHost(hosts + line);
            const Grants ofAll("server\n" + std::string(line) + hosts.substr(hosts.find('\n') + 1));
            CPPUNIT_ASSERT_MESSAGE(line, ofHost.hasName(elsewhere));
            CPPUNIT_ASSERT_MESSAGE(line, ofAll.hasName(elsewhere));
            CPPUNIT_ASSERT_MESSAGE(line, !ofHost.hasName(named("/srv/releases/1", "gone")));
        }
        const auto any = [&](const char *what) { return Grants("server\nany " + std::string(what) + hosts.substr(6)); };
        CPPUNIT_ASSERT(any("folder").hasName(elsewhere));
        CPPUNIT_ASSERT(!any("folder").hasName(named("/srv/releases/1", "gone")));
        CPPUNIT_ASSERT(any("name").hasName(named("/srv/releases/1", "gone")));
        Options gone = elsewhere;
        gone.user = "gone";
        CPPUNIT_ASSERT(!any("name").hasName(gone));
    }

    void testFoldersBehindLinksAreCovered() {
        const ApplicationFolder folder("");
        namespace fs = std::filesystem;
        fs::create_directories(folder.path() + "/blog/releases/1/public");
        fs::create_directories(folder.path() + "/www");
        fs::create_directory_symlink("releases/1", folder.path() + "/blog/current");
        fs::create_directory_symlink("../blog/current/public", folder.path() + "/www/sub");
        const Grants grants("server\nbase_uri /sub\nserver\nuser alice\ndocument_root " + folder.path() + "/www/\n");
        const Grants linked("server\nserver\nuser alice\ndocument_root " + folder.path() + "/blog/current/public\n");
        Options options = GrantsTest::options();
        options.user = "alice";
        options.ruby = "";
        options.appRoot = fs::canonical(folder.path() + "/blog/releases/1");
        CPPUNIT_ASSERT(grants.coversFolder(options));
        CPPUNIT_ASSERT(linked.coversFolder(options));
        options.appRoot = folder.path() + "/blog/current";
        CPPUNIT_ASSERT(linked.coversFolder(options));
        options.appRoot = folder.path() + "/blog";
        CPPUNIT_ASSERT(!grants.coversFolder(options));
        options.appRoot = folder.path();
        CPPUNIT_ASSERT_MESSAGE("the document root ends with a slash", grants.coversFolder(options));
    }

    void testTheOwnerOfFilesNeedsUserAndFolderAlone() {
        const Grants grants(
            "server\nserver\nuser alice\nfixed user\nlimited tasks_max\ntasks_max 7\n"
            "startup_file serve.rb\ndocument_root /srv/alice/public\nserver\nuser bob\n"
            "app_root /srv/bob\n");
        Options one = options();
        CPPUNIT_ASSERT_MESSAGE("The owner of the folder is not asked there", !grants.hasOwner(one));
        one.user = "alice";
        one.startupFile = "serve.rb";
        one.ruby = "/opt/ruby";
        CPPUNIT_ASSERT(grants.hasOwner(one));
        CPPUNIT_ASSERT(grants.startRefusal(one));
        for (const auto member : {&Options::user, &Options::group, &Options::appRoot}) {
            Options other = one;
            other.*member = "/srv/bob";
            CPPUNIT_ASSERT(!grants.hasOwner(other));
        }
        one.user = "bob";
        CPPUNIT_ASSERT_MESSAGE("He has another folder", !grants.hasOwner(one));
        CPPUNIT_ASSERT(Grants().hasOwner(one));
    }

    /** An instance goes on after a reload that changes the startup file. */
    void testTheOwnerOfFilesNeedsAStartupFileThatDecidesAlone() {
        const Grants grants(
            "server\nserver\nuser alice\ngroup !STARTUP_FILE!\nstartup_file new.rb\napp_root /srv/alice\n");
        Options one = options();
        one.appRoot = "/srv/alice";
        one.startupFile = "old.rb";
        const auto has = [&](const std::string &user, const std::string &group, bool switching) {
            one.user = user;
            one.group = group;
            one.userSwitching = switching;
            return grants.hasOwner(one);
        };
        CPPUNIT_ASSERT(has("alice", "", true) && has("", "", false));
        CPPUNIT_ASSERT(!has("", "", true) && !has("alice", "!STARTUP_FILE!", true));
        one.startupFile = "new.rb";
        CPPUNIT_ASSERT(has("", "", true) && has("alice", "!STARTUP_FILE!", true));
    }

    void testVariablesOfLoadersNeedAGrant() {
        for (const char *name : {"PASSENGER_NATIVE",
                                 "PASSENGER_PRELOAD_BUNDLER",
                                 "OPENSSL_CONF",
                                 "LD_PRELOAD",
                                 "RUBYOPT",
                                 "RUBYLIB",
                                 "GUNICORN_CMD_ARGS",
                                 "npm_config_script_shell",
                                 "Npm_Config_Prefix",
                                 "JAVA_HOME",
                                 "RUBYGEMS_GEMDEPS",
                                 "CLASSPATH",
                                 "GEM_HOME",
                                 "BUNDLE_GEMFILE",
                                 "NODE_OPTIONS",
                                 "NVM_DIR",
                                 "N_PREFIX",
                                 "PYENV_VERSION",
                                 "PYTHONPATH",
                                 "PATH",
                                 "BASH_ENV",
                                 "BASH_FUNC_ls%%",
                                 "RAILS_ENV",
                                 "NODE_ENV",
                                 "NODE_EXTRA_CA_CERTS",
                                 "SSL_CERT_FILE",
                                 "LIBMYSQL_PLUGIN_DIR",
                                 "DJANGO_SETTINGS_MODULE"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !grants_.allowsVariable(name, "/tmp/evil"));
        }
        CPPUNIT_ASSERT(grants_.allowsVariable("GEM_HOME", "/srv/gems"));
        CPPUNIT_ASSERT(grants_.allowsVariable("DATABASE_URL", "postgres:///blog"));
        CPPUNIT_ASSERT_MESSAGE("only the whole name counts", grants_.allowsVariable("PATHS", ""));
    }

    void testUnknownLinesAreIgnored() {
        const Grants grants("user early\nserver\nany folder\nnew_key value\nwithout\n\nuser alice\n");
        Options options = GrantsTest::options();
        options.ruby = "";
        options.user = "alice";
        CPPUNIT_ASSERT(!grants.refusal(options));
        options.user = "early";
        CPPUNIT_ASSERT(grants.refusal(options).has_value());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GrantsTest);

}  // namespace Passenger
