#pragma once

#include <functional>
#include <memory>

#include "base/ChildProcess.h"
#include "base/FileDescriptor.h"
#include "prefork/WorkerProcess.h"

namespace Passenger {

/**
 * Workers that are another program, which is executed. It may be used whatever threads there are, since between fork and exec only ChildSetup runs.
 *
 * The program's standard output and error are pipes of ours. Its standard input gives nothing, and ends with the monitor, however that ends; besides,
 * the program is killed (PDEATHSIG, which children of its do not have). Which other descriptors it has, the listening sockets for instance,
 * the command says.
 *
 * What the program writes to its standard output is taken for words as well as for lines, whoever writes it. A program that runs an application
 * of others wants a pipe of its own for what that prints.
 */
class ProgramLauncher final : public WorkerLauncher {
public:
    /** Asked before each start, on the loop: it may differ each time. Descriptors 0, 1 and 2 and the death signal are added. */
    using CommandMaker = std::function<ChildProcess::Command()>;

    enum class Printing {
        /** On standard output, between the words. */
        WITH_WORDS,
        /** Into a pipe whose number the last argument says: output=N. Lines come out of it as from standard output, and nothing else. */
        APART
    };

    /** @throws SystemException */
    explicit ProgramLauncher(CommandMaker maker, Printing printing = Printing::WITH_WORDS);
    void attach(EventLoop &loop, WorkerListener &listener) override;
    std::unique_ptr<WorkerProcess> launch(WorkerId id) override;

private:
    CommandMaker maker_;
    Printing printing_;
    /** The program has the reading end; nobody but us the writing end. */
    DescriptorPair lifeline_;
    EventLoop *loop_ = nullptr;
    WorkerListener *listener_ = nullptr;
};

}  // namespace Passenger
