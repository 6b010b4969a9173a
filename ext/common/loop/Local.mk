# The event loop of the agent's processes. The module does not link it. Keep sorted, one file a
# line.
noinst_LTLIBRARIES += libpassenger_loop.la
libpassenger_loop_la_SOURCES = \
    %D%/DescriptorWatcher.cpp \
    %D%/DescriptorWatcher.h \
    %D%/EventLoop.cpp \
    %D%/EventLoop.h \
    %D%/EventLoopImplementation.h \
    %D%/Thread.cpp \
    %D%/Thread.h \
    %D%/Timer.cpp \
    %D%/Timer.h
libpassenger_loop_la_LIBADD = $(EV_LIBS) $(BOOST_LIBS)
EXTRA_DIST += %D%/README.md
