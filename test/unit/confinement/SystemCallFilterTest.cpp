#include "confinement/SystemCallFilter.h"

#include <cppunit/extensions/HelperMacros.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/FileDescriptor.h"
#include "confinement/SystemCalls.h"

namespace Passenger {

using SystemCallFilter::For;

/** The filters for all processors that debian/control names. libseccomp makes each on any
 *  processor. */
class SystemCallFilterTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SystemCallFilterTest);
    CPPUNIT_TEST(testTheLibraryKnowsEachName);
    CPPUNIT_TEST(testEachProcessorHasAFilterForEachPurpose);
    CPPUNIT_TEST(testAProcessorWithoutAnOldCallHasTheNewOne);
    CPPUNIT_TEST(testAProgramCanSetTheAreaOfItsThread);
    CPPUNIT_TEST(testOnlySocketsWithANumberOfTheirOwnAreFiltered);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::array PROCESSORS{std::uint32_t{SCMP_ARCH_X86_64},  std::uint32_t{SCMP_ARCH_AARCH64},
                                           std::uint32_t{SCMP_ARCH_ARM},     std::uint32_t{SCMP_ARCH_X86},
                                           std::uint32_t{SCMP_ARCH_PPC64LE}, std::uint32_t{SCMP_ARCH_RISCV64}};

    static std::string textOf(std::uint32_t processor, For purpose) {
        const FileDescriptor file(::memfd_create("passenger-unit-SystemCallFilterTest", MFD_CLOEXEC));
        SystemCallFilter::writeAsText(processor, purpose, file.get());
        std::string text(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(text.size()), ::pread(file.get(), text.data(), text.size(), 0));
        return text;
    }

    /** Whether the processor has the call, and the filter a rule for it. */
    static bool has(const std::string &filter, std::uint32_t processor, const std::string &name) {
        const int number = ::seccomp_syscall_resolve_name_arch(processor, name.c_str());
        return number >= 0 && filter.find(fmt::format("\"{}\" ({})", name, number)) != std::string::npos;
    }

    static bool programHas(std::uint32_t processor, const std::string &name) {
        return has(textOf(processor, For::PROGRAM), processor, name);
    }

public:
    void testTheLibraryKnowsEachName() {
        // Older versions of the library lack these.
        const std::set<std::string_view> latest{"futex_wait", "futex_wake", "futex_requeue", "map_shadow_stack",
                                                "mseal"};
        for (const auto names : {SystemCalls::observed(), SystemCalls::usedElsewhere(), SystemCalls::fatal(),
                                 SystemCalls::fatalUnlessExecuting(), SystemCalls::forInterpreters()}) {
            for (const char *name : names) {
                CPPUNIT_ASSERT_MESSAGE(
                    name, ::seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR || latest.contains(name));
            }
        }
    }

    void testEachProcessorHasAFilterForEachPurpose() {
        for (const std::uint32_t processor : PROCESSORS) {
            for (const For purpose : {For::SERVING, For::SERVING_TCP, For::PROGRAM}) {
                CPPUNIT_ASSERT(has(textOf(processor, purpose), processor, "clone"));
            }
        }
    }

    void testAProcessorWithoutAnOldCallHasTheNewOne() {
        const std::vector<std::vector<std::string>> forms{
            {"access", "faccessat"},
            {"clock_gettime", "clock_gettime64"},
            {"dup2", "dup3"},
            {"epoll_wait", "epoll_pwait"},
            {"eventfd", "eventfd2"},
            {"fcntl", "fcntl64"},
            {"fork", "clone"},
            {"getpgrp", "getpgid"},
            {"getrlimit", "prlimit64"},
            {"lstat", "newfstatat", "fstatat64"},
            {"mmap", "mmap2"},
            {"open", "openat"},
            {"pipe", "pipe2"},
            {"poll", "ppoll"},
            {"readlink", "readlinkat"},
            {"select", "_newselect", "pselect6"},
            {"stat", "newfstatat", "fstatat64"},
            {"time", "clock_gettime"},
            {"waitpid", "wait4"},
        };
        for (const std::uint32_t processor : PROCESSORS) {
            const std::string filter = textOf(processor, For::PROGRAM);
            for (const auto &names : forms) {
                CPPUNIT_ASSERT_MESSAGE(names.front(), std::any_of(names.begin(), names.end(), [&](const auto &name) {
                                           return has(filter, processor, name);
                                       }));
            }
        }
    }

    void testAProgramCanSetTheAreaOfItsThread() {
        CPPUNIT_ASSERT(programHas(SCMP_ARCH_X86_64, "arch_prctl"));
        CPPUNIT_ASSERT(programHas(SCMP_ARCH_X86, "set_thread_area"));
        CPPUNIT_ASSERT(programHas(SCMP_ARCH_ARM, "set_tls"));
    }

    void testOnlySocketsWithANumberOfTheirOwnAreFiltered() {
        const std::string refusal = "action ERRNO(97)";
        for (const std::uint32_t processor : PROCESSORS) {
            const bool multiplexed = processor == SCMP_ARCH_X86 || processor == SCMP_ARCH_PPC64LE;
            const bool refuses = textOf(processor, For::SERVING).find(refusal) != std::string::npos;
            CPPUNIT_ASSERT_EQUAL(!multiplexed, refuses);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SystemCallFilterTest);

}  // namespace Passenger
