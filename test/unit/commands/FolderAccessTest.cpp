#include "commands/FolderAccess.h"

#include <cppunit/extensions/HelperMacros.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "commands/InstallCheck.h"

namespace Passenger {

/** What validate-install finds. */
class FolderAccessTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FolderAccessTest);
    CPPUNIT_TEST(testAFolderThatIsClosedToOthersIsNamed);
    CPPUNIT_TEST(testAnUnknownUserOrFolderIsNoProblem);
    CPPUNIT_TEST(testNoCommandOpensWhatALinkLeadsTo);
    CPPUNIT_TEST(testFindingsHaveARemedyAndAStatus);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAFolderThatIsClosedToOthersIsNamed() {
        std::string folder = "/tmp/access-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder.data()) != nullptr);
        const std::string inner = folder + "/inner";
        CPPUNIT_ASSERT_EQUAL(0, ::mkdir(inner.c_str(), 0755));
        const passwd *const own = ::getpwuid(::geteuid());
        const std::string user = own == nullptr ? "" : own->pw_name;
        const auto forOwner = closedFolder(inner, user);
        const auto forNobody = closedFolder(inner, "nobody");
        ::chmod(folder.c_str(), 0755);
        const auto opened = closedFolder(inner, "nobody");
        std::filesystem::remove_all(folder);
        CPPUNIT_ASSERT(!forOwner);
        CPPUNIT_ASSERT_EQUAL(folder, forNobody.value_or("none"));
        CPPUNIT_ASSERT(!opened);
    }

    void testNoCommandOpensWhatALinkLeadsTo() {
        std::string folder = "/tmp/access-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder.data()) != nullptr);
        const std::string file = folder + "/a file";
        const std::string link = folder + "/link";
        std::ofstream(file) << "";
        std::filesystem::create_symlink("/etc/shadow", link);
        const std::string plain = openingRemedy("o+r", file);
        const std::string linked = openingRemedy("o+r", link);
        std::filesystem::remove_all(folder);
        CPPUNIT_ASSERT_EQUAL("chmod o+r '" + file + "'", plain);
        CPPUNIT_ASSERT_EQUAL(std::string("look first: a link leads to /etc/shadow, which belongs to root"), linked);
    }

    void testAnUnknownUserOrFolderIsNoProblem() {
        CPPUNIT_ASSERT(!closedFolder("/", "no such user"));
        CPPUNIT_ASSERT(!closedFolder("/", ""));
        CPPUNIT_ASSERT(!closedFolder("/no such folder", "nobody"));
    }

    void testFindingsHaveARemedyAndAStatus() {
        std::vector<Finding> findings{{Finding::Level::FINE, "Linux", "6.1"}};
        CPPUNIT_ASSERT_EQUAL(0, statusOf(findings));
        CPPUNIT_ASSERT_EQUAL(std::string(" * Linux: ok: 6.1\n\nEverything is in order.\n"),
                             findingsForm(findings, false));
        findings.push_back({Finding::Level::WARNING, "agent", "none", "start httpd"});
        CPPUNIT_ASSERT_EQUAL(2, statusOf(findings));
        findings.push_back({Finding::Level::ERROR, "Ruby", "is not in PATH", "apt-get install ruby"});
        CPPUNIT_ASSERT_EQUAL(1, statusOf(findings));
        CPPUNIT_ASSERT_EQUAL(std::string(" * Linux: ok: 6.1\n * agent: warning: none\n     start httpd\n"
                                         " * Ruby: error: is not in PATH\n     apt-get install ruby\n"
                                         "\n1 error(s), 1 warning(s).\n"),
                             findingsForm(findings, false));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FolderAccessTest);

}  // namespace Passenger
