#include "commands/MemoryForm.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace Passenger {

class MemoryFormTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MemoryFormTest);
    CPPUNIT_TEST(testProcessesAndSumsAreListed);
    CPPUNIT_TEST(testJsonHasBytes);
    CPPUNIT_TEST(testThisProcessIsInTheListWithItsParent);
    CPPUNIT_TEST(testAFamilyHasItsRootsAndAllBelow);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t MEGABYTE = 1024 * 1024;

    static std::vector<MemorySection> sections() {
        ListedProcess measured;
        measured.pid = 4711;
        measured.parent = 1;
        measured.command = "ruby\x1b";
        measured.virtualSize = 100 * MEGABYTE;
        measured.memory = ProcessMemory{30 * MEGABYTE, 20 * MEGABYTE, MEGABYTE, 9 * MEGABYTE, 2 * MEGABYTE};
        ListedProcess hidden = measured;
        hidden.pid = 4712;
        hidden.memory.reset();
        return {{"Apache processes", false, {measured}, true},
                {"Passenger processes", false, {measured}},
                {"/srv/blog", true, {measured, hidden}}};
    }

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE(text, text.find(part) != std::string::npos);
    }

public:
    void testProcessesAndSumsAreListed() {
        const std::string text = memoryForm(sections(), false);
        expectIn(text, "----------- Apache processes -----------\nPID      PPID         VMSize");
        expectIn(text, "  Name\n-------");
        expectIn(text, "4711     1          100.0 MB     10.0 MB     20.0 MB      2.0 MB  ruby\\x1b\n");
        expectIn(text, "----------- Passenger processes -----------\nPID          VMSize     Private");
        expectIn(text, "4711       100.0 MB     10.0 MB     20.0 MB      2.0 MB  ruby\\x1b\n");
        expectIn(text, "4712       100.0 MB           ?           ?           ?  ruby\\x1b\n");
        expectIn(text,
                 "### Processes: 1\n### Total private dirty RSS: 9.00 MB\n"
                 "### Total private memory: 10.0 MB, PSS: 20.0 MB, swap: 2.0 MB\n");
        expectIn(text,
                 "### Processes: 3\n### Total private dirty RSS: 18.00 MB (?)\n"
                 "### Total private memory: 20.0 MB, PSS: 40.0 MB, swap: 4.0 MB (?)\n");
        expectIn(text, "   10.0 MB     20.0 MB          2  /srv/blog (?)\n");
    }

    void testJsonHasBytes() {
        const std::string text = memoryJson(sections());
        expectIn(text, "\"pss\": 20971520");
        expectIn(text, "\"memory\": null");
    }

    void testThisProcessIsInTheListWithItsParent() {
        const auto all = listProcesses();
        const auto own = std::find_if(all.begin(), all.end(), [](const auto &one) { return one.pid == ::getpid(); });
        CPPUNIT_ASSERT(own != all.end());
        CPPUNIT_ASSERT_EQUAL(::getppid(), own->parent);
        CPPUNIT_ASSERT(own->virtualSize > MEGABYTE);
        expectIn(own->command, "unit_tests");
    }

    void testAFamilyHasItsRootsAndAllBelow() {
        std::vector<ListedProcess> all(5);
        const pid_t parents[] = {0, 1, 2, 1, 0};
        for (std::size_t i = 0; i < all.size(); i++) {
            all[i].pid = static_cast<pid_t>(i + 1);
            all[i].parent = parents[i];
        }
        const auto family = familyOf({1, 2}, all);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, family.size());
        CPPUNIT_ASSERT_EQUAL(3, family[2].pid);
        CPPUNIT_ASSERT(familyOf({9}, all).empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryFormTest);

}  // namespace Passenger
