"""CloudFormation stacks: an engine that creates, updates, rolls back and deletes as AWS does.

moto's own leaves out what it does not know, removes what should be retained, and misses resources
whose parameters changed; this one fails on an unknown type. Resources are made in the order of
their references, an update compares resolved properties and removes old ones last, and a failure
puts back what was there. Not like AWS: a change is done when the call returns, a property that
cannot change in place is not noticed, and drift, imports and nested stacks are untried.
"""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Iterator
from typing import Any

from tests.aws.emulator.patching import moto
from tests.aws.emulator.templates import check_template, patch_templates

RETAINED = ("Retain", "RetainExceptOnCreate")


class Engine:
    """Works on the resource map of one stack, moto's record of what a stack has."""

    def __init__(self, resources: Any) -> None:
        self.map = resources
        self._parsing = moto("cloudformation.parsing")
        if not hasattr(resources, "resolved"):
            resources.resolved = {}
            resources.said = {}

    @property
    def _stack(self) -> Any:
        backends = moto("cloudformation.models").cloudformation_backends
        return backends[self.map._account_id][self.map._region_name].stacks.get(self.map.stack_id)

    def create(self, template: dict[str, Any]) -> None:
        self._load(template, None)
        for logical in self._order():
            self._make(logical)

    def update(self, template: dict[str, Any], parameters: dict[str, Any] | None) -> None:
        self._load(template, parameters)
        wanted = self._order()
        for logical in wanted:
            if logical in self.map.resolved:
                self._change(logical)
            else:
                self._make(logical)
        for logical in reversed([each for each in self.map.resolved if each not in wanted]):
            self._remove(logical)

    def delete(self) -> None:
        for logical in reversed(list(self.map.resolved)):
            self._remove(logical)

    def _load(self, template: dict[str, Any], parameters: dict[str, Any] | None) -> None:
        check_template(template)
        known = self._parsing.get_model_map()
        resources = template.get("Resources", {})
        unknown = {each["Type"] for each in resources.values()} - set(known)
        if unknown:
            raise ValueError(f"the emulator has no {', '.join(sorted(unknown))}")
        if parameters is not None:
            self.map.input_parameters = parameters
        for name in self.map.resolved_parameters:
            self.map._parsed_resources.pop(name, None)
        self.map.resolved_parameters = {}
        self.map._template = template
        self.map._resource_json_map = resources
        self.map.load_mapping()
        self.map.load_parameters()
        self.map.load_conditions()

    def _order(self) -> list[str]:
        """The resources whose condition holds, each behind what it refers to."""
        said = self.map._resource_json_map
        held = {
            name: set(references(each)) & set(said)
            for name, each in said.items()
            if "Condition" not in each or self.map.lazy_condition_map[each["Condition"]]
        }
        done: dict[str, None] = {}

        def visit(name: str) -> None:
            if name in done or name not in held:
                return
            for other in sorted(held[name] - {name}):
                visit(other)
            done[name] = None

        for name in held:
            visit(name)
        return list(done)

    def _resolve(self, logical: str) -> dict[str, Any]:
        said = copy.deepcopy(self.map._resource_json_map[logical])
        made: dict[str, Any] = self._parsing.clean_json(said, self.map)
        made.setdefault("Properties", {})
        return made

    def _make(self, logical: str) -> None:
        resolved = self._resolve(logical)
        self._tell(logical, resolved["Type"], "CREATE_IN_PROGRESS")
        try:
            made = self.map[logical]
        except Exception as error:
            traceback.print_exc()
            self._tell(logical, resolved["Type"], "CREATE_FAILED", told(error))
            raise
        self._keep(logical, resolved)
        self._tell(logical, resolved["Type"], "CREATE_COMPLETE", physical=made)

    def _change(self, logical: str) -> None:
        resolved = self._resolve(logical)
        before = self.map.resolved[logical]
        self._keep(logical, resolved)
        if resolved["Properties"] == before["Properties"]:
            return
        self._tell(logical, resolved["Type"], "UPDATE_IN_PROGRESS")
        try:
            changed = self._changed(logical, copy.deepcopy(resolved))
        except Exception as error:
            self.map.resolved[logical] = before
            self._tell(logical, resolved["Type"], "UPDATE_FAILED", told(error))
            raise
        changed.cf_resource_type = resolved["Type"]
        changed.logical_resource_id = logical
        self.map._parsed_resources[logical] = changed
        self._tell(logical, resolved["Type"], "UPDATE_COMPLETE", physical=changed)

    def _changed(self, logical: str, resolved: dict[str, Any]) -> Any:
        model = self._parsing.get_model_map()[resolved["Type"]]
        original = self.map._parsed_resources[logical]
        if hasattr(model.update_from_cloudformation_json, "__isabstractmethod__"):
            raise NotImplementedError(f"the emulator cannot update {resolved['Type']}")
        name = self._parsing.resource_name_property_from_type(resolved["Type"])
        given = resolved["Properties"].get(name) if name else None
        return model.update_from_cloudformation_json(
            original_resource=original,
            new_resource_name=given or getattr(original, "name", original.physical_resource_id),
            cloudformation_json=resolved,
            account_id=self.map._account_id,
            region_name=self.map._region_name,
        )

    def _keep(self, logical: str, resolved: dict[str, Any]) -> None:
        self.map.resolved[logical] = resolved
        self.map.said[logical] = self.map._resource_json_map[logical]

    def _remove(self, logical: str) -> None:
        resolved, said = self.map.resolved.pop(logical), self.map.said.pop(logical)
        made = self.map._parsed_resources.pop(logical, None)
        if said.get("DeletionPolicy") in RETAINED:
            self._tell(logical, resolved["Type"], "DELETE_SKIPPED", physical=made)
            return
        self._tell(logical, resolved["Type"], "DELETE_IN_PROGRESS", physical=made)
        try:
            self.map._delete_resource(made, resolved)
        except Exception as error:
            self.map.resolved[logical], self.map.said[logical] = resolved, said
            self.map._parsed_resources[logical] = made
            self._tell(logical, resolved["Type"], "DELETE_FAILED", told(error))
            raise
        self._tell(logical, resolved["Type"], "DELETE_COMPLETE", physical=made)

    def _tell(
        self, logical: str, kind: str, status: str, why: str | None = None, physical: Any = None
    ) -> None:
        stack = self._stack
        if stack is None:
            return
        event = moto("cloudformation.models").Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=logical,
            physical_resource_id=str(getattr(physical, "physical_resource_id", "") or ""),
            resource_type=kind,
            resource_status=status,
            resource_status_reason=why,
            resource_properties=None,
        )
        stack.events.append(event)


def told(error: Exception) -> str:
    """An error as a stack's event words it."""
    return str(getattr(error, "message", None) or error) or type(error).__name__


def references(said: Any) -> Iterator[str]:
    """The logical names that a resource's text refers to, in whatever way."""
    if isinstance(said, list):
        for each in said:
            yield from references(each)
    if not isinstance(said, dict):
        return
    for name, value in said.items():
        match name, value:
            case "Ref", str():
                yield value
            case "Fn::GetAtt", [str() as first, *_]:
                yield first
            case "Fn::GetAtt", str():
                yield value.partition(".")[0]
            case "Fn::Sub", _:
                text = value[0] if isinstance(value, list) else value
                yield from (each.partition(".")[0] for each in re.findall(r"\$\{([^!}]+)\}", text))
                yield from references(value)
            case "DependsOn", _:
                yield from ([value] if isinstance(value, str) else value)
            case _:
                yield from references(value)


def patch_stacks() -> None:
    patch_templates()
    parsing, models = moto("cloudformation.parsing"), moto("cloudformation.models")
    resources = parsing.ResourceMap

    def create(self: Any, template: dict[str, Any]) -> bool:
        Engine(self).create(template)
        return True

    def update(self: Any, template: Any, parameters: Any = None) -> None:
        Engine(self).update(template, parameters)

    resources.create = create
    resources.update = update
    resources.delete = lambda self: Engine(self).delete()
    resources.__iter__ = lambda self: iter(list(getattr(self, "resolved", {})))
    resources.__len__ = lambda self: len(getattr(self, "resolved", {}))
    _patch_changes(models)
    _patch_deletion(models)


def _patch_changes(models: Any) -> None:
    """Executing a change set, with its way back; creating a stack is a change from nothing."""

    def execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        change = self.describe_change_set(change_set_name, stack_name)
        if change.execution_status != "AVAILABLE":
            raise moto("cloudformation.exceptions").ValidationError(
                change_set_name, f"ChangeSet [{change_set_name}] cannot be executed in its status"
            )
        change.execution_status = "EXECUTE_COMPLETE"
        apply(self.stacks[change.stack_id], change)

    def describe(self: Any, change_set_name: str, stack_name: str | None = None) -> Any:
        for identity, change in self.change_sets.items():
            named = change.change_set_name == change_set_name
            if identity == change_set_name or (
                named and stack_name in (None, change.stack_name, change.stack_id)
            ):
                return change
        raise moto("cloudformation.exceptions").ValidationError(change_set_name)

    def create_stack(self: Any, name: str, template: str, parameters: Any, **more: Any) -> Any:
        change_id, stack_id = self.create_change_set(
            stack_name=name,
            change_set_name="create",
            template=template,
            parameters=parameters,
            description="",
            change_set_type="CREATE",
            tags=more.get("tags"),
        )
        execute(self, change_id)
        return self.stacks[stack_id]

    backend = models.CloudFormationBackend
    backend.execute_change_set = execute
    backend.describe_change_set = describe
    backend.create_stack = create_stack


def apply(stack: Any, change: Any) -> None:
    """Carry a change out; on failure back to what was, with the statuses of AWS."""
    kind = change.change_set_type
    was = (stack.template, dict(stack.parameters), stack.template_dict)
    stack.status = f"{kind}_IN_PROGRESS"
    stack._add_stack_event(stack.status, resource_status_reason="User Initiated")
    try:
        stack.resource_map.update(change.template_dict, change.parameters)
    except Exception as error:  # whatever failed, the stack goes back
        return _go_back(stack, kind, was, told(error))
    stack.template, stack.template_dict = change.template, change.template_dict
    stack.parameters = dict(change.parameters)
    stack.description = change.template_dict.get("Description")
    stack.tags = change.tags or stack.tags
    stack.output_map = stack._create_output_map()
    stack.status = f"{kind}_COMPLETE"
    stack._add_stack_event(stack.status)
    return None


def _go_back(stack: Any, kind: str, was: tuple[Any, Any, Any], why: str) -> None:
    template, parameters, parsed = was
    back = "ROLLBACK" if kind == "CREATE" else "UPDATE_ROLLBACK"
    stack._add_stack_event(f"{back}_IN_PROGRESS", resource_status_reason=why)
    try:
        if kind == "CREATE":
            stack.resource_map.delete()
        else:
            stack.resource_map.update(parsed, parameters)
        stack.template, stack.parameters, stack.template_dict = template, parameters, parsed
        stack.status = f"{back}_COMPLETE"
    except Exception as error:  # told as the stack's status
        stack.status, why = f"{back}_FAILED", told(error)
    stack.stack_status_reason = why
    stack._add_stack_event(stack.status, resource_status_reason=why)


def _patch_deletion(models: Any) -> None:
    def delete(self: Any) -> None:
        self.status = "DELETE_IN_PROGRESS"
        self._add_stack_event(self.status, resource_status_reason="User Initiated")
        self.resource_map.delete()
        self.status = "DELETE_COMPLETE"
        self._add_stack_event(self.status)

    def delete_stack(self: Any, name_or_stack_id: str) -> None:
        found = [s for s in self.stacks.values() if name_or_stack_id in (s.name, s.stack_id)]
        for stack in found:
            try:
                stack.delete()
            except Exception as error:  # told as the stack's status
                stack.status = "DELETE_FAILED"
                stack.stack_status_reason = told(error)
                stack._add_stack_event(stack.status, resource_status_reason=told(error))
                continue
            self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)
            for change in [k for k, v in self.change_sets.items() if v.stack_id == stack.stack_id]:
                del self.change_sets[change]

    models.Stack.delete = delete
    models.CloudFormationBackend.delete_stack = delete_stack
