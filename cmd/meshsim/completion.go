package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// meshFiles are the endings of mesh files, without dots.
func meshFiles() []string { return []string{"yaml", "yml"} }

// completeFile offers mesh files to the shell, which looks for them by itself.
func completeFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return meshFiles(), cobra.ShellCompDirectiveFilterFileExt
}

// completeFileOrCommand offers mesh files beside the commands: a shell that is told to look for files offers nothing else.
func completeFileOrCommand(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	directory, name := filepath.Split(begun)
	entries, err := os.ReadDir(cmp.Or(directory, "."))
	if err != nil {
		return nil, directive
	}
	var found []string
	for _, e := range entries {
		switch {
		case !strings.HasPrefix(e.Name(), name) || strings.HasPrefix(e.Name(), ".") && name == "":
		case slices.Contains(meshFiles(), strings.TrimPrefix(filepath.Ext(e.Name()), ".")):
			found = append(found, directory+e.Name())
		case e.IsDir() && begun != "": // where nothing is begun they would hide the commands
			found = append(found, directory+e.Name()+string(filepath.Separator))
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return found, directive
}
