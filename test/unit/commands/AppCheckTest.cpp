#include "commands/AppCheck.h"

#include <cppunit/extensions/HelperMacros.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace Passenger {

class AppCheckTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppCheckTest);
    CPPUNIT_TEST(testAnApplicationInOrderHasNoProblem);
    CPPUNIT_TEST(testAMissingFolderIsNamed);
    CPPUNIT_TEST(testAnApplicationThatServesIsNotSaidNotToStart);
    CPPUNIT_TEST(testAStartupFileThatIsMissingOrUnreadableIsNamed);
    CPPUNIT_TEST(testAnInterpreterThatIsMissingOrDoesNotRunIsNamed);
    CPPUNIT_TEST(testARelativeInterpreterBeginsInTheApplicationsFolder);
    CPPUNIT_TEST(testRootRunsNoProgramOfOthers);
    CPPUNIT_TEST(testRootRunsNoProgramThatIsNoInterpreter);
    CPPUNIT_TEST(testRootRunsWhatALinkLedToWhenItWasChecked);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    AppStatus app_;

    /** What is not in order: each text with its remedy. */
    std::string problems() const {
        std::string text;
        for (const Finding &finding : AppCheck().check(app_)) {
            CPPUNIT_ASSERT_EQUAL(std::string("application blog"), finding.subject);
            CPPUNIT_ASSERT(finding.remedy.empty() == (finding.level == Finding::Level::FINE));
            text += finding.level == Finding::Level::FINE ? "" : finding.text + ": " + finding.remedy + "\n";
        }
        return text;
    }
    static bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }
    std::string program(const std::string &text) const {
        std::string path = folder_ + "/interpreter";
        std::ofstream(path) << text;
        ::chmod(path.c_str(), 0755);
        return path;
    }

public:
    void setUp() override {
        folder_ = "/tmp/app-check-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder_.data()) != nullptr);
        ::chmod(folder_.c_str(), 0755);
        std::ofstream(folder_ + "/app.js") << "";
        ::chmod((folder_ + "/app.js").c_str(), 0644);
        app_.name = "blog";
        app_.root = folder_;
        app_.user = "nobody";
        app_.type = "node";
        app_.startupFile = "app.js";
        app_.interpreter = "ruby";
    }
    void tearDown() override { std::filesystem::remove_all(folder_); }

    // The owner of the link could lead it elsewhere between the check and the execution.
    void testRootRunsWhatALinkLedToWhenItWasChecked() {
        if (::geteuid() != 0) {
            return;
        }
        std::string own = "/root/app-check-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(own.data()) != nullptr);
        std::ofstream(own + "/ruby") << "#!/bin/sh\necho \"$0\"\n";
        ::chmod((own + "/ruby").c_str(), 0755);
        app_.interpreter = folder_ + "/link";
        std::filesystem::create_symlink(own + "/ruby", app_.interpreter);
        const std::vector<Finding> all = AppCheck().check(app_);
        std::filesystem::remove_all(own);
        CPPUNIT_ASSERT(std::any_of(all.begin(), all.end(), [&](const Finding &finding) {
            return finding.text == "interpreter " + app_.interpreter + ": " + own + "/ruby";
        }));
    }

    void testAnApplicationThatServesIsNotSaidNotToStart() {
        app_.failure.emplace();
        app_.failure->summary = "it died";
        app_.failure->remedy = "look at its log";
        app_.crashLooping = true;
        app_.state = "failed";
        CPPUNIT_ASSERT_EQUAL(std::string("does not start: it died: look at its log\n"), problems());
        app_.state = "serving";
        CPPUNIT_ASSERT_EQUAL(std::string("serves, but had a failure lately: it died: look at its log\n"), problems());
    }

    void testAnApplicationInOrderHasNoProblem() {
        CPPUNIT_ASSERT_EQUAL(std::string(), problems());
        const std::vector<Finding> all = AppCheck().check(app_);
        CPPUNIT_ASSERT(std::any_of(all.begin(), all.end(), [](const Finding &finding) {
            return finding.text.starts_with("interpreter ruby: ruby ");
        }));
    }

    void testAMissingFolderIsNamed() {
        app_.root = folder_ + "/gone";
        CPPUNIT_ASSERT(has(problems(), "its folder " + app_.root + " does not exist: mkdir -p "));
    }

    void testAStartupFileThatIsMissingOrUnreadableIsNamed() {
        const std::string file = folder_ + "/app.js";
        ::chmod(file.c_str(), 0600);
        CPPUNIT_ASSERT_EQUAL("its user nobody may not read " + file + ": chmod o+r " + file + "\n", problems());
        app_.startupFile = "server.js";
        CPPUNIT_ASSERT(has(problems(), "its startup file " + folder_ + "/server.js cannot be looked at: No such file"));
    }

    void testARelativeInterpreterBeginsInTheApplicationsFolder() {
        program("#!/bin/sh\necho 1.0\n");
        app_.interpreter = "./interpreter";
        CPPUNIT_ASSERT_EQUAL(std::string(), problems());
        app_.interpreter = "venv/bin/python";
        CPPUNIT_ASSERT(has(problems(), "its interpreter venv/bin/python No such file or directory"));
    }

    void testAnInterpreterThatIsMissingOrDoesNotRunIsNamed() {
        app_.interpreter = "/no/such/node";
        CPPUNIT_ASSERT_EQUAL(std::string("its interpreter /no/such/node No such file or directory: correct "
                                         "PassengerNodejs, or install /no/such/node\n"),
                             problems());
        app_.interpreter = "no-such-node";
        CPPUNIT_ASSERT(has(problems(), "no-such-node is not in PATH: apt-get install nodejs, or name its path by"));
        // Root would not try.
        app_.interpreter = program("#!/bin/sh\nexit 1\n");
        CPPUNIT_ASSERT_EQUAL(::geteuid() != 0, has(problems(), app_.interpreter + " does not run"));
    }

    void testRootRunsNoProgramOfOthers() {
        // /tmp is not root's alone.
        app_.interpreter = program("#!/bin/sh\ntouch " + folder_ + "/ran\n");
        CPPUNIT_ASSERT_EQUAL(std::string(), problems());
        CPPUNIT_ASSERT_EQUAL(::geteuid() != 0, std::filesystem::exists(folder_ + "/ran"));
    }

    void testRootRunsNoProgramThatIsNoInterpreter() {
        app_.interpreter = "/bin/cat";
        const std::vector<Finding> all = AppCheck().check(app_);
        const bool ran = std::any_of(all.begin(), all.end(), [](const Finding &finding) {
            return finding.text.starts_with("interpreter /bin/cat: cat ");
        });
        CPPUNIT_ASSERT_EQUAL(::geteuid() != 0, ran);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppCheckTest);

}  // namespace Passenger
