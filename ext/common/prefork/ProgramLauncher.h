#pragma once

#include <functional>
#include <memory>

#include "base/ChildProcess.h"
#include "base/FileDescriptor.h"
#include "prefork/WorkerLauncher.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * Starts workers that are another program. The process may have other threads: between fork and
 * exec only ChildSetup runs.
 *
 * The program's standard output and error are pipes to this process. Its standard input has no data
 * and ends with the monitor. PDEATHSIG kills the program, too, but not the program's children. The
 * command names the other descriptors, such as listening sockets.
 *
 * The monitor looks for messages and for lines in the program's standard output, whatever process
 * wrote them. A program that runs an application needs an own pipe for what the application prints.
 */
class ProgramLauncher final : public WorkerLauncher {
public:
    /**
     * Called before each start, on the loop. Its result may differ each time. The launcher adds
     * descriptors 0, 1 and 2 and the death signal.
     */
    using CommandMaker = std::function<ChildProcess::Command()>;

    enum class Printing {
        /** On standard output, between the messages. */
        WITH_WORDS,
        /**
         * Into a pipe with the number that the last argument names: output=N. The monitor takes
         * everything in that pipe for lines.
         */
        APART
    };

    /** @throws SystemException */
    explicit ProgramLauncher(CommandMaker maker, Printing printing = Printing::WITH_WORDS);
    std::unique_ptr<WorkerProcess> launch(WorkerId id) override;

private:
    CommandMaker maker_;
    Printing printing_;
    /** The program has the reading end. Only this process has the writing end. */
    DescriptorPair lifeline_;
};

}  // namespace Passenger
