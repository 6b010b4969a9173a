#include "rights/ProcessFacts.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "base/FileContent.h"
#include "base/FileDescriptor.h"

namespace Passenger {

namespace {

/** Makes the kernel tell `size` bytes of untouched memory as this process's environment and as its
 *  command line. */
bool forge(std::size_t size) {
    void *const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    const std::string text = fileContent("/proc/self/stat");
    std::istringstream words(text.substr(text.rfind(')') + 1));
    // The third field is the first of these words.
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    const auto field = [&](std::size_t number) { return std::stoull(fields.at(number - 3)); };
    prctl_mm_map map{};
    map.start_code = field(26);
    map.end_code = field(27);
    map.start_stack = field(28);
    map.start_data = field(45);
    map.end_data = field(46);
    map.start_brk = field(47);
    map.brk = reinterpret_cast<std::uintptr_t>(::sbrk(0));
    map.arg_start = map.env_start = reinterpret_cast<std::uintptr_t>(memory);
    map.arg_end = map.env_end = map.env_start + size;
    map.exe_fd = static_cast<std::uint32_t>(-1);
    return ::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) == 0;
}

}  // namespace

class ProcessFactsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProcessFactsTest);
    CPPUNIT_TEST(testTheEnvironmentUserAndLimitsOfAProcessAreTold);
    CPPUNIT_TEST(testOfAnEndlessEnvironmentTheFirstBytesAreRead);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheEnvironmentUserAndLimitsOfAProcessAreTold() {
        const ProcessFacts facts(ProcessFacts::read(::getpid()));
        CPPUNIT_ASSERT(!facts.environment.empty());
        CPPUNIT_ASSERT(!facts.ids.empty());
        CPPUNIT_ASSERT_EQUAL(std::to_string(::geteuid()), facts.ids.front().at(1));
        CPPUNIT_ASSERT(!facts.limits.empty());
    }

    void testOfAnEndlessEnvironmentTheFirstBytesAreRead() {
        constexpr std::size_t ENDLESS = std::size_t{1} << 30;
        constexpr std::size_t MOST = 256 * 1024;
        DescriptorPair ready = makePipe();
        const pid_t child = ::fork();
        if (child == 0) {
            const char forged = forge(ENDLESS) ? 'y' : 'n';
            static_cast<void>(::write(ready.second.get(), &forged, 1));
            for (;;) {
                ::pause();
            }
        }
        char forged = 0;
        const ssize_t told = ::read(ready.first.get(), &forged, 1);
        const ProcessFacts::Files files = ProcessFacts::read(child);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, told);
        // A kernel without CONFIG_CHECKPOINT_RESTORE lets no process do this.
        if (forged == 'y') {
            CPPUNIT_ASSERT_EQUAL(MOST, files.environ.size());
            CPPUNIT_ASSERT(!files.status.empty());
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessFactsTest);

}  // namespace Passenger
