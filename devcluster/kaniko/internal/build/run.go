package build

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"devcluster/kaniko/internal/dockerfile"
)

func (b *Builder) runStep(c *instructions.RunCommand) *step {
	return &step{
		text: c.String(), needsRootfs: true, everywhere: true, usesEnv: true,
		cacheable: b.o.CacheRunLayers,
		keyText:   func(*stage) (string, error) { return c.String() + heredocs(c.Files), nil },
		execute: func(s *stage) ([]string, error) {
			mounts, err := s.mount(c)
			if err != nil {
				return nil, err
			}
			err = s.runCommand(c, mounts.env)
			if unmountErr := mounts.undo(); err == nil {
				err = unmountErr
			}
			return nil, err
		},
	}
}

// heredocs is the text of here-documents, which an instruction's own text does
// not hold.
func heredocs(files []instructions.ShellInlineFile) string {
	var text strings.Builder
	for _, file := range files {
		fmt.Fprintf(&text, "\n%s\n%s", file.Name, file.Data)
	}
	return text.String()
}

// runCommand runs the program of a RUN in our own root, as kaniko does:
// nothing but the mount namespace of the pod is around it.
func (s *stage) runCommand(c *instructions.RunCommand, secretEnv []string) error {
	line := s.runLine(c)
	logrus.Infof("Cmd: %s", line[0])
	logrus.Infof("Args: %s", line[1:])
	// Path is set, not looked up: the image's PATH counts, not ours.
	cmd := &exec.Cmd{Path: line[0], Args: line, Stdout: os.Stdout, Stderr: os.Stderr}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.fs.Root != "/" {
		cmd.SysProcAttr.Chroot = s.fs.Root // tests only
	}
	cmd.Dir = s.workingDir()
	env := s.env()
	if err := s.setCredentials(cmd, &env); err != nil {
		return err
	}
	cmd.Env = append(env, secretEnv...)
	logrus.Infof("Running: %s", cmd.Args)
	return s.start(cmd)
}

// runProcess waits for the program and then kills what is left of its process
// group. What moved to a session of its own lives on, as it does with kaniko.
func runProcess(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting command: %w", err)
	}
	group := cmd.Process.Pid
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("waiting for process to exit: %w", err)
	}
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// runLine is the program and its arguments.
func (s *stage) runLine(c *instructions.RunCommand) []string {
	if !c.PrependShell {
		if len(c.Files) > 0 {
			logrus.Warnf("#1713 kaniko does not support heredoc syntax in 'RUN [\"<command>\", ...]' (Exec Form) statements: %v", c.Files[0].Name)
		}
		line := append([]string(nil), c.CmdLine...)
		line[0] = s.lookPath(line[0])
		return line
	}
	text := strings.Join(c.CmdLine, " ")
	if len(c.Files) == 1 && text == "<<"+c.Files[0].Name {
		text += " sh" // a bare here-document is a script
	}
	for _, file := range c.Files {
		text += "\n" + file.Data + file.Name
	}
	return append(s.shell(), text)
}

// lookPath finds a program by the image's PATH, and gives the name back if
// there is none, so that starting it says so.
func (s *stage) lookPath(program string) string {
	if strings.Contains(program, "/") {
		return program
	}
	for _, pair := range s.env() {
		list, isPath := strings.CutPrefix(pair, "PATH=")
		if !isPath {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			host, err := s.fs.Follow(filepath.Join(dir, program))
			if err != nil {
				continue
			}
			if info, err := os.Stat(host); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
				return filepath.Join(dir, program)
			}
		}
	}
	return program
}

// workingDir is empty if the directory does not exist; the program then starts
// where the executor is.
func (s *stage) workingDir() string {
	dir := s.config.Config.WorkingDir
	if dir == "" {
		return ""
	}
	host, err := s.fs.Follow(dir)
	if err != nil {
		return ""
	}
	if _, err := os.Lstat(host); err != nil {
		return ""
	}
	return dir
}

// setCredentials makes cmd run as USER, and gives env a HOME.
func (s *stage) setCredentials(cmd *exec.Cmd, env *[]string) error {
	userPart, groupPart, hasGroup := strings.Cut(s.config.Config.User, ":")
	userPart, err := dockerfile.Expand(userPart, *env)
	if err != nil {
		return fmt.Errorf("resolving user %s: %w", userPart, err)
	}
	home := "/root"
	if userPart != "" {
		user, err := s.fs.LookupUser(userPart)
		if err != nil {
			return fmt.Errorf("credentials: get user group: %w", err)
		}
		credential := &syscall.Credential{Uid: user.UID, Gid: user.GID}
		switch {
		case hasGroup && groupPart != "" && s.o.RunHonorGroup:
			if credential.Gid, err = s.fs.LookupGroup(groupPart); err != nil {
				return fmt.Errorf("credentials: get user group: %w", err)
			}
		case user.Known:
			credential.Groups = s.fs.SupplementaryGroups(user)
		}
		cmd.SysProcAttr.Credential = credential
		if userPart != "root" {
			home = user.Home
		}
	}
	for _, pair := range *env {
		if strings.HasPrefix(pair, "HOME=") {
			return nil
		}
	}
	*env = append(*env, "HOME="+home)
	return nil
}
