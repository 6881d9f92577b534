# cmake -DBUILD=<build folder> -DSOURCE=<tests/install> -P check.cmake
# Installs the build into a fresh prefix, builds the user's project against it and runs it from there.
set(work ${BUILD}/install-check)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN} ended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/user -DCMAKE_PREFIX_PATH=${work}/prefix -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${work}/user)
run(${work}/user/user)
if(NOT output STREQUAL "63\n")
  message(FATAL_ERROR "the user's program printed '${output}', not 63")
endif()
run(${work}/prefix/bin/tunesmith tune matmul:m=64,n=64,k=64 --trials 2 --threads 1 --db ${work}/tuning.db)
file(REMOVE_RECURSE ${work})
