# Helpers for the targets of the tree. No global compiler flags: every target
# that is ours links mg_warnings.

add_library(mg_warnings INTERFACE)
target_compile_options(mg_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes
  -Wstrict-prototypes -Wformat=2 -Wundef
  $<$<BOOL:${MG_WERROR}>:-Werror>)

# The plugin SDK: headers only, all that a plugin may include.
add_library(mg_sdk INTERFACE)
target_include_directories(mg_sdk INTERFACE ${CMAKE_SOURCE_DIR}/core/include)

# mg_add_layer(mg_model SOURCES a.c b.c LIBS mg_base PkgConfig::UV)
# One static library per folder. Sources of core see core/ as include root, so
# that a file says which layer it uses: #include "base/err.h".
function(mg_add_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/core
    ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC mg_sdk ${ARG_LIBS} PRIVATE mg_warnings)
endfunction()

# mg_add_plugin(kpm31 SOURCES kpm31.c FIRMWARE firmware.c)
# A plugin sees the SDK headers only and imports nothing but libc memory
# functions. The module lands in <build>/plugins.
function(mg_add_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;FIRMWARE;DBC" ${ARGN})
  add_library(plugin_${name} MODULE ${ARG_SOURCES} ${ARG_FIRMWARE})
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  target_link_libraries(plugin_${name} PRIVATE mg_sdk mg_warnings)
  install(TARGETS plugin_${name}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/metergate/plugins)
  if(ARG_DBC) # the CAN database of the model lies beside the plugin
    configure_file(${ARG_DBC} ${CMAKE_BINARY_DIR}/plugins/${ARG_DBC} COPYONLY)
    install(FILES ${ARG_DBC}
      DESTINATION ${CMAKE_INSTALL_LIBDIR}/metergate/plugins)
  endif()
  set_property(GLOBAL APPEND PROPERTY MG_PLUGINS ${name})
endfunction()

# mg_add_test(test_json LIBS mg_model [SOURCES more.c] [ARGS ...])
# A cmocka program tests/<folder>/<name>.c, run by ctest under the same name.
function(mg_add_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;ARGS" ${ARGN})
  add_executable(${name} ${name}.c ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} PkgConfig::CMOCKA
    mg_warnings)
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT 60)
endfunction()

# mg_add_fuzz(fuzz_yaml LIBS mg_config): tests/fuzz/<name>.c. Under the fuzz
# preset a libFuzzer program; otherwise linked with a main that replays its
# corpus tests/fuzz/corpus/<name>/, so that every build keeps it alive.
function(mg_add_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${name}.c ${ARG_SOURCES}
    $<$<NOT:$<BOOL:${MG_FUZZ}>>:replay_main.c>)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} mg_warnings
    $<$<BOOL:${MG_FUZZ}>:-fsanitize=fuzzer>)
  add_test(NAME ${name} COMMAND ${name}
    $<$<BOOL:${MG_FUZZ}>:-runs=0> ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}
    COMMAND_EXPAND_LISTS)
endfunction()
