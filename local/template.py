"""Reads `template.yaml` as CloudFormation would: parameters, conditions and intrinsic functions become plain values.

The local stack takes names, environment, queues and wiring from here, so that template and code cannot disagree. Only what
the template uses is understood; anything else is refused by name instead of guessed at. Of the libraries at hand, moto's
parser knows no SAM types and aws-sam-translator needs a deployed account's answers, so the resolver is small and our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

ACCOUNT = "123456789012"
_NO_VALUE = object()


class TemplateError(ValueError):
    """The template says something that cannot be resolved here. The message names the place."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that turns `!Ref x` into {"Ref": x} and `!GetAtt a.b` into {"Fn::GetAtt": "a.b"}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)
# CloudFormation reads `2012-10-17` and `on` as text, so we do as well.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

_NAME_PROPERTIES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Serverless::Function": "FunctionName",
    "AWS::IAM::Role": "RoleName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::Logs::LogGroup": "LogGroupName",
}

_ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::Scheduler::ScheduleGroup": "scheduler:{region}:{account}:schedule-group/{name}",
    "AWS::Serverless::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}",
}


@lru_cache(maxsize=4)
def _document(path: Path, _changed: int) -> Any:
    """The parsed file; nothing writes into it. Parsing takes longer than all else a stack does to start."""
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=_Loader)  # noqa: S506 (a SafeLoader)


class Template:
    """One template with its parameters settled.

    `refs` and `attributes` hold what `Ref` and `GetAtt` answer once a resource exists (a queue's URL, a table's stream);
    whoever creates the resource fills them in. Until then names and ARNs are derived from the stack's name.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        parameters: Mapping[str, object] | None = None,
        *,
        region: str = "us-east-1",
        stack_name: str = "dateline-local",
    ) -> None:
        self.document = document
        self.region = region
        self.stack_name = stack_name
        self.refs: dict[str, str] = {}
        self.attributes: dict[tuple[str, str], str] = {}
        self.parameters = self._settle_parameters(parameters or {})
        self._pseudo: dict[str, Any] = {
            "AWS::Region": region,
            "AWS::AccountId": ACCOUNT,
            "AWS::StackName": stack_name,
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{stack_name}/local",
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _NO_VALUE,
        }

    @classmethod
    def load(cls, path: Path, parameters: Mapping[str, object] | None = None, **options: str) -> Template:
        """The template in that file. Raises TemplateError for an unknown parameter or a missing value."""
        return cls(_document(path, path.stat().st_mtime_ns), parameters, **options)

    def _settle_parameters(self, given: Mapping[str, object]) -> dict[str, Any]:
        declared: Mapping[str, Mapping[str, Any]] = self.document.get("Parameters") or {}
        if unknown := sorted(set(given) - set(declared)):
            raise TemplateError(f"the template has no parameter {', '.join(unknown)}; it has {', '.join(sorted(declared))}")
        settled: dict[str, Any] = {}
        for name, spec in declared.items():
            if name not in given and "Default" not in spec:
                raise TemplateError(f"parameter {name} has no default and was not given")
            value = given.get(name, spec.get("Default"))
            text = str(value).lower() if isinstance(value, bool) else str(value)
            listed = spec.get("Type", "").startswith(("List", "CommaDelimitedList"))
            settled[name] = [part.strip() for part in text.split(",")] if listed else text
        return settled

    def resources(self, *types: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(logical id, type, resolved properties) of the resources of those types whose condition holds."""
        for logical_id, resource in self.document.get("Resources", {}).items():
            if resource["Type"] in types and self._wanted(resource):
                yield logical_id, resource["Type"], self.resolve(resource.get("Properties") or {}) or {}

    def _wanted(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self.condition(resource["Condition"])

    def globals(self, section: str) -> dict[str, Any]:
        """What `Globals` says for a section such as "Function", resolved."""
        return self.resolve((self.document.get("Globals") or {}).get(section) or {}) or {}

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""
        outputs = self.document.get("Outputs") or {}
        return {name: self.resolve(out["Value"]) for name, out in outputs.items() if self._wanted(out)}

    def name(self, logical_id: str) -> str:
        """The physical name: what the template says, else the stack's name and the logical id."""
        resource = self._resource(logical_id)
        given = (resource.get("Properties") or {}).get(_NAME_PROPERTIES.get(resource["Type"], ""))
        resolved = self.resolve(given) if given is not None else None
        return str(resolved) if resolved is not None else f"{self.stack_name}-{logical_id}"

    def arn(self, logical_id: str) -> str:
        """The ARN of a resource, derived from its type and name."""
        kind = self._resource(logical_id)["Type"]
        if kind not in _ARNS:
            raise TemplateError(f"{logical_id}: the ARN of a {kind} is not known here")
        return "arn:aws:" + _ARNS[kind].format(region=self.region, account=ACCOUNT, name=self.name(logical_id))

    def condition(self, condition: Any) -> bool:
        """Whether a condition (its name, or an Fn::Equals/And/Or/Not) holds."""
        if isinstance(condition, str):
            conditions = self.document.get("Conditions") or {}
            if condition not in conditions:
                raise TemplateError(f"there is no condition {condition}")
            return self.condition(conditions[condition])
        operator, operand = next(iter(condition.items()))
        match operator:
            case "Condition":
                return self.condition(operand)
            case "Fn::Equals":
                left, right = (self.resolve(side) for side in operand)
                return str(left) == str(right)
            case "Fn::And":
                return all(self.condition(part) for part in operand)
            case "Fn::Or":
                return any(self.condition(part) for part in operand)
            case "Fn::Not":
                return not self.condition(operand[0])
        raise TemplateError(f"{operator} is no condition")

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic function replaced by what it stands for; None where it stands for AWS::NoValue."""
        resolved = self._resolve(value)
        return None if resolved is _NO_VALUE else resolved

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [part for part in map(self._resolve, value) if part is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            operator, operand = next(iter(value.items()))
            if operator == "Ref":
                return self._ref(operand)
            if operator == "Condition" and isinstance(operand, str):
                return value
            if isinstance(operator, str) and operator.startswith("Fn::"):
                intrinsic = self._intrinsics().get(operator)
                if intrinsic is None:
                    raise TemplateError(f"{operator} is not understood here")
                return intrinsic(operand)
        pairs = ((key, self._resolve(part)) for key, part in value.items())
        return {key: part for key, part in pairs if part is not _NO_VALUE}

    def _intrinsics(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::If": lambda a: self._resolve(a[1] if self.condition(a[0]) else a[2]),
            "Fn::Join": lambda a: str(a[0]).join(str(part) for part in self._resolve(a[1])),
            "Fn::Select": lambda a: self._resolve(a[1])[int(self._resolve(a[0]))],
            "Fn::Split": lambda a: str(self._resolve(a[1])).split(a[0]),
            "Fn::FindInMap": self._find_in_map,
            "Fn::Equals": lambda a: self.condition({"Fn::Equals": a}),
        }

    def _resource(self, logical_id: str) -> Mapping[str, Any]:
        resources: Mapping[str, Mapping[str, Any]] = self.document.get("Resources") or {}
        if logical_id not in resources:
            raise TemplateError(f"the template has no resource {logical_id}")
        return resources[logical_id]

    def _ref(self, name: str) -> Any:
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        if name in self.refs:
            return self.refs[name]
        if name.endswith((".Alias", ".Version")):
            return self.arn(name.rpartition(".")[0])
        if name == "ServerlessHttpApi" or self._resource(name)["Type"] == "AWS::Serverless::HttpApi":
            return "local"
        kind = self._resource(name)["Type"]
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{self.name(name)}"
        return self.arn(name) if kind == "AWS::SNS::Topic" else self.name(name)

    def _get_att(self, target: str | list[str]) -> Any:
        name, _, attribute = target.partition(".") if isinstance(target, str) else (target[0], ".", ".".join(target[1:]))
        if (name, attribute) in self.attributes:
            return self.attributes[name, attribute]
        resources = self.document.get("Resources") or {}
        if name not in resources and attribute == "Arn" and name.endswith("Role") and name[:-4] in resources:
            return f"arn:aws:iam::{ACCOUNT}:role/{self.stack_name}-{name}"  # SAM makes a role for each function
        if attribute == "Arn":
            return self.arn(name)
        if attribute in ("QueueName", "TopicName"):
            return self.name(name)
        if attribute in ("QueueUrl", "TopicArn"):
            return self._ref(name)
        raise TemplateError(f"{name}.{attribute} is not known yet, or never will be, on the local stack")

    def _sub(self, operand: str | list[Any]) -> str:
        text, extra = (operand, {}) if isinstance(operand, str) else (operand[0], self._resolve(operand[1]))

        def one(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in extra:
                return str(extra[name])
            plain = name in self._pseudo or "." not in name or name.endswith((".Alias", ".Version"))
            return str(self._ref(name) if plain else self._get_att(name))

        return re.sub(r"\$\{([^}]+)\}", one, text)

    def _find_in_map(self, operand: list[Any]) -> Any:
        found: Any = self.document.get("Mappings") or {}
        for key in map(self._resolve, operand):
            if not isinstance(found, Mapping) or key not in found:
                raise TemplateError(f"Fn::FindInMap: there is no {key!r}")
            found = found[key]
        return found
